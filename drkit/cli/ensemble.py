"""`drkit ensemble`: predictions of the same photographs, combined."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from drkit.catalogue import METHODS
from drkit.cli.options import spread
from drkit.ensembling.config import CompareConfig, EnsembleConfig
from drkit.reporting import Report
from drkit.specs import describe_catalogue

EXAMPLES = {
    "vote": (
        "drkit ensemble vote runs/a runs/b runs/c",
        "drkit ensemble vote runs/quick --fuse patient --out ensembles/quick-patient.parquet",
    ),
    "weight": (
        "drkit ensemble weight runs/*.parquet",
        "drkit ensemble weight runs/a runs/b --by log-loss --fuse patient",
    ),
    "stack": (
        "drkit ensemble stack runs/*.parquet",
        "drkit ensemble stack runs/*.parquet --learner ridge --fuse eye",
    ),
    "boost": (
        "drkit ensemble boost runs/*.parquet",
        "drkit ensemble boost runs/*.parquet --learner adaboost --out ensembles/adaboost.parquet",
    ),
    "bag": (
        "drkit ensemble bag runs/*.parquet",
        "drkit ensemble bag runs/*.parquet --of weight --bags 50",
    ),
    "method": (
        "drkit ensemble method weight runs/*.parquet",
        "drkit ensemble method trimmed:share=0.2 runs/*.parquet",
    ),
    "compare": (
        "drkit ensemble compare runs/*.parquet",
        "drkit ensemble compare runs/*.parquet --fuse patient --out ensembles/patients.svg",
    ),
}
Files = Annotated[list[Path], typer.Argument(help="Predictions or runs, of the same photographs.")]


@spread
def vote(
    files: Files,
    config: EnsembleConfig,
    how: Annotated[
        Literal["soft", "hard", "median"],
        typer.Option(
            help="soft: mean of probabilities and scores; hard: the grade most members give, ties to the mean score's"
            " side; median: the middle of their grades."
        ),
    ] = "soft",
) -> Report:
    """Let all members count the same; nothing is fitted unless asked for.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, predictions like any other, and a .json beside it.
    """
    from drkit.ensembling.blend import Vote
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Vote(how), config)


@spread
def weight(
    files: Files,
    config: EnsembleConfig,
    by: Annotated[
        Literal["greedy", "kappa", "log-loss"],
        typer.Option(
            help="What the weights are fitted to. greedy: quadratic kappa, members drawn one by one, averaged over bags"
            " of patients; kappa: quadratic kappa itself; log-loss: the probabilities' log loss."
        ),
    ] = "greedy",
    bags: Annotated[int, typer.Option(min=1, help="With greedy: how often patients are drawn.")] = 20,
) -> Report:
    """Weigh the members: weights that sum to one, fitted to reference grades.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, predictions like any other, and a .json beside it.
    """
    from drkit.ensembling.weight import Weight
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Weight(by, bags), config)


@spread
def stack(
    files: Files,
    config: EnsembleConfig,
    learner: Annotated[
        Literal["auto", "ridge", "ordinal"],
        typer.Option(
            help="ridge: regression on the score; ordinal: ordinal logistic regression; auto: whichever errs less on"
            " folds within what is fitted."
        ),
    ] = "auto",
    strength: Annotated[
        float | None, typer.Option(min=0.0, help="Of what holds it near the plain mean; chosen by default.")
    ] = None,
) -> Report:
    """Stack a small meta-learner on the members' scores and probabilities.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, predictions like any other, and a .json beside it.
    """
    from drkit.ensembling.stack import Stack
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Stack(learner, strength), config)


@spread
def boost(
    files: Files,
    config: EnsembleConfig,
    learner: Annotated[
        Literal["lightgbm", "adaboost"],
        typer.Option(help="lightgbm: small trees that correct the plain mean; adaboost: the members as weak learners."),
    ] = "lightgbm",
    rounds: Annotated[int | None, typer.Option(min=1, help="Trees, or members taken; chosen by default.")] = None,
    embeddings: Annotated[
        bool, typer.Option("--embeddings/--no-embeddings", help="Show the trees embeddings, where all files have them.")
    ] = True,
) -> Report:
    """Boost the members' mean by small trees, or boost over the members themselves.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, predictions like any other, and a .json beside it.
    """
    from drkit.ensembling.boost import Boost
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Boost(learner, rounds, embeddings), config)


@spread
def bag(
    files: Files,
    config: EnsembleConfig,
    of: Annotated[str, typer.Option(help=f"The method to bag: {describe_catalogue(METHODS)}.")] = "stack",
    bags: Annotated[int, typer.Option(min=2, help="How often patients are drawn.")] = 20,
) -> Report:
    """Fit a method to patients drawn with replacement, again and again, and average.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, predictions like any other, and a .json beside it.
    """
    from drkit.ensembling.bag import Bag
    from drkit.ensembling.serialization import build_method
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Bag(build_method(of), bags), config)


@spread
def method(
    spec: Annotated[
        str, typer.Argument(metavar="METHOD", help=f"As in trimmed:share=0.2. {describe_catalogue(METHODS)}.")
    ],
    files: Files,
    config: EnsembleConfig,
) -> Report:
    """Combine by a method named as name:parameter=value, such as one that an installed package adds.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, predictions like any other, and a .json beside it.
    """
    from drkit.ensembling.serialization import build_method
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, build_method(spec), config)


@spread
def compare(files: Files, config: CompareConfig) -> Report:
    """Compare all methods, each member and their plain mean on patients that nothing was fitted on.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a picture, and a .json beside it.
    """
    from drkit.recipes.compare import run_compare

    return run_compare(files, config)
