"""The filters of `drkit preprocess`."""

from drkit.images.filters.steps import Step, apply_steps, parse_steps

__all__ = ["Step", "apply_steps", "parse_steps"]
