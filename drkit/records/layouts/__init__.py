"""Data sets as they come: every layout is read into the same labels."""

from drkit.records.layouts.joining import read_datasets, read_each
from drkit.records.layouts.layout import Layout
from drkit.records.layouts.reading import read_dataset, read_table
from drkit.records.layouts.recognise import LAYOUTS

__all__ = ["LAYOUTS", "Layout", "read_dataset", "read_datasets", "read_each", "read_table"]
