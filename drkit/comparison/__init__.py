"""Comparison: one run, or one way to train, against another on the same photographs."""

from drkit.comparison.differences import Comparison, compare_cases, tabulate_comparisons
from drkit.comparison.pairs import check_pair, differing_options, judged, pair_cases, remark_pair
from drkit.comparison.seeds import SeedPair, SeedsOutcome, judge_seeds

__all__ = [
    "Comparison",
    "SeedPair",
    "SeedsOutcome",
    "check_pair",
    "compare_cases",
    "differing_options",
    "judge_seeds",
    "judged",
    "pair_cases",
    "remark_pair",
    "tabulate_comparisons",
]
