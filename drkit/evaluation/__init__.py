"""Evaluation: selection of rows, agreement with reference grades, seeds, and paired comparisons of runs."""

from drkit.evaluation.differences import Comparison, compare_cases, tabulate_comparisons, tabulate_seeds
from drkit.evaluation.pairs import check_pair, differing_options, evaluated_rows, pair_cases, remark_pair
from drkit.evaluation.seeds import SeedAgreement, measure_seeds
from drkit.evaluation.selection import EvaluationSet, scorable_rows, select_scorable

__all__ = [
    "Comparison",
    "EvaluationSet",
    "SeedAgreement",
    "check_pair",
    "compare_cases",
    "differing_options",
    "evaluated_rows",
    "measure_seeds",
    "pair_cases",
    "remark_pair",
    "scorable_rows",
    "select_scorable",
    "tabulate_comparisons",
    "tabulate_seeds",
]
