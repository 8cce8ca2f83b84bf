"""Predictions of a finished run for the photographs of a data set."""

from drkit.grading.photographs import ELSEWHERE, grade_photographs, nothing_graded

__all__ = ["ELSEWHERE", "grade_photographs", "nothing_graded"]
