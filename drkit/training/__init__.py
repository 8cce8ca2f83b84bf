"""Epochs: how a grader is fitted, frozen in part, stopped and resumed."""
