"""The options of `drkit ensemble`: of each method, and those that all methods share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from drkit.catalogue import METHODS
from drkit.config.shared import Force, Seed
from drkit.specs import describe_catalogue

Voting = Literal["soft", "hard", "median"]
Objective = Literal["greedy", "kappa", "log-loss"]
StackLearner = Literal["auto", "ridge", "ordinal"]
Booster = Literal["lightgbm", "adaboost"]
PoolOver = Literal["none", "eye", "patient"]
PoolBy = Literal["mean", "max", "learned"]
EnsembleDecision = Literal["members", "rounding", "cut-points"]


@dataclass(frozen=True)
class NestedCVOptions:
    """How photographs are pooled, and on which folds everything is fitted and scored."""

    fuse: Annotated[
        PoolOver,
        Option(help="First pool the photographs of each eye or patient, so that they share one prediction."),
    ] = "none"
    fuse_by: Annotated[
        PoolBy,
        Option(
            help="How photographs are pooled. mean: the mean prediction; max: the prediction of the photograph graded"
            " worst; learned: a small regression on the mean, highest and lowest scores."
        ),
    ] = "mean"
    folds: Annotated[
        int, Option(min=2, help="Outer folds over patients: each fold is scored by a fit to the other folds.")
    ] = 5
    resamples: Annotated[
        int, Option(min=100, help="Number of bootstrap resamples of patients for the confidence intervals.")
    ] = 2000
    seed: Seed = 0


@dataclass(frozen=True)
class EnsembleConfig(NestedCVOptions):
    """How an ensemble is made and where it goes."""

    decision: Annotated[
        EnsembleDecision | None,
        Option(
            help="How a prediction becomes a grade. members: as the members decide; rounding: the rounded score;"
            " cut-points: thresholds fitted to held-out scores, averaged over bootstrap samples of patients. Default:"
            " members for vote, cut-points for all other methods."
        ),
    ] = None
    out: Annotated[
        Path | None,
        Option(
            help="Predictions file to write, with a .json beside it. Default: ensembles/<method>.parquet.",
        ),
    ] = None
    force: Force = False


@dataclass(frozen=True)
class CompareConfig(NestedCVOptions):
    """How methods are compared and where the picture goes."""

    out: Annotated[
        Path, Option(help="Picture to write (png, svg or pdf), with a .json of all figures beside it.")
    ] = Path("ensembles/compare.png")  # fmt: skip
    force: Force = False


@dataclass(frozen=True)
class VoteOptions:
    """How members vote."""

    how: Annotated[
        Voting,
        Option(
            help="soft: mean of probabilities and scores; hard: the grade that most members give, ties broken by the"
            " mean score; median: the median of the members' grades."
        ),
    ] = "soft"


@dataclass(frozen=True)
class WeightOptions:
    """What members' weights are fitted to."""

    by: Annotated[
        Objective,
        Option(
            help="Objective that the weights are fitted to. greedy: quadratic kappa, by greedy forward selection of"
            " members, averaged over bootstrap samples of patients; kappa: quadratic kappa, optimised directly;"
            " log-loss: log loss of the probabilities."
        ),
    ] = "greedy"
    bags: Annotated[int, Option(min=1, help="Number of bootstrap samples of patients, for --by greedy.")] = 20


@dataclass(frozen=True)
class StackOptions:
    """Which meta-learner is stacked on the members."""

    learner: Annotated[
        StackLearner,
        Option(
            help="Meta-learner. ridge: ridge regression on the score; ordinal: ordinal logistic regression; auto: the"
            " one with the smaller error in an inner cross-validation."
        ),
    ] = "auto"
    strength: Annotated[
        float | None,
        Option(
            min=0.0,
            help="Regularisation strength: how strongly the meta-learner is pulled towards the plain mean. Default:"
            " chosen by inner cross-validation.",
        ),
    ] = None


@dataclass(frozen=True)
class BoostOptions:
    """How members are boosted."""

    learner: Annotated[
        Booster,
        Option(help="lightgbm: small trees that correct the plain mean; adaboost: the members as weak learners."),
    ] = "lightgbm"
    rounds: Annotated[
        int | None,
        Option(
            min=1,
            help="Number of trees (default: chosen by inner cross-validation), or of AdaBoost's rounds (default: 50).",
        ),
    ] = None
    use_embeddings: Annotated[
        bool,
        Option("--embeddings/--no-embeddings", help="Give the trees the members' embeddings, if all files have them."),
    ] = True


@dataclass(frozen=True)
class BagOptions:
    """Which method is bagged, and over how many samples."""

    of: Annotated[str, Option(help=f"Base method to bag. {describe_catalogue(METHODS)}.")] = "stack"
    bags: Annotated[int, Option(min=2, help="Number of bootstrap samples of patients.")] = 20
