"""Filters of a photograph, one after another: what `drkit preprocess` does to each."""

from drkit.images.filters.steps import Step, apply_steps, parse_steps

__all__ = ["Step", "apply_steps", "parse_steps"]
