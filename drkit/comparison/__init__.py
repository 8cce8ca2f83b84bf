"""Comparison: one run, or one way to train, against another on the same photographs."""

from drkit.comparison.differences import Comparison, compare_cases, tabulate_comparisons, tabulate_seeds
from drkit.comparison.pairs import check_pair, differing_options, judged, pair_cases, remark_pair
from drkit.comparison.seeds import SeedAgreement, measure_seeds
from drkit.comparison.selection import Selection, select_scorable

__all__ = [
    "Comparison",
    "SeedAgreement",
    "Selection",
    "check_pair",
    "compare_cases",
    "differing_options",
    "judged",
    "measure_seeds",
    "pair_cases",
    "remark_pair",
    "select_scorable",
    "tabulate_comparisons",
    "tabulate_seeds",
]
