"""Copies of photographs: identical files, and near duplicates that match after registration."""
