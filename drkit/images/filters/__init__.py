"""Filters that `drkit preprocess` applies to each photograph, one after another."""

from drkit.images.filters.steps import Step, apply_steps, parse_steps

__all__ = ["Step", "apply_steps", "parse_steps"]
