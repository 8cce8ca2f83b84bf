"""The options that all ways to combine share; light enough for `--help`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

PoolOver = Literal["none", "eye", "patient"]
PoolBy = Literal["mean", "max", "learned"]
EnsembleDecision = Literal["members", "rounding", "cut-points"]


@dataclass(frozen=True)
class NestedCVOptions:
    """What is joined first, and on which folds everything is fitted and scored."""

    fuse: Annotated[
        PoolOver, Option(help="Join the photographs of an eye or a patient first: each gets the answer of all.")
    ] = "none"
    fuse_by: Annotated[
        PoolBy,
        Option(help="mean; max: the photograph graded worst; learned: a small regression on mean, highest and lowest."),
    ] = "mean"
    folds: Annotated[int, Option(min=2, help="Outer folds of patients: each is scored by a fit on the others.")] = 5
    resamples: Annotated[int, Option(min=100, help="How often patients are drawn for an interval.")] = 2000
    seed: Annotated[int, Option(min=0, max=2**32 - 1, help="Random seed.")] = 0


@dataclass(frozen=True)
class EnsembleConfig(NestedCVOptions):
    """How an ensemble is made and where it goes."""

    decision: Annotated[
        EnsembleDecision | None,
        Option(
            help="How the answer becomes a grade: as the members do, by rounding the score, or by cut points fitted to"
            " held-out scores, averaged over bags of patients. Default: members for vote, cut-points for the others."
        ),
    ] = None
    out: Annotated[
        Path | None, Option(help="The predictions; a .json lies beside them. Default: ensembles/<method>.parquet.")
    ] = None
    force: Annotated[bool, Option("--force", help="Overwrite what is there.")] = False


@dataclass(frozen=True)
class CompareConfig(NestedCVOptions):
    """How methods are compared and where the picture goes."""

    out: Annotated[
        Path, Option(help="The picture (png, svg, pdf); a .json with all figures lies beside it.")
    ] = Path("ensembles/compare.png")  # fmt: skip
    force: Annotated[bool, Option("--force", help="Overwrite what is there.")] = False
