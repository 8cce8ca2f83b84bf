"""Photographs that are one: the same bytes, or the same fundus after registration."""
