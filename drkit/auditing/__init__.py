"""Duplicates, contradictions and leaks in data sets, runs and submissions."""
