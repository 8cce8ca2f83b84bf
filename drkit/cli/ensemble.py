"""`drkit ensemble`: combine predictions of the same photographs."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.catalogue import METHODS
from drkit.cli.options import spread
from drkit.config.ensemble import (
    BagOptions,
    BoostOptions,
    CompareConfig,
    EnsembleConfig,
    StackOptions,
    VoteOptions,
    WeightOptions,
)
from drkit.config.shared import TableFiles
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
        "drkit ensemble compare runs/*.parquet --fuse patient --out ensembles/patients.svg --markdown patients.md",
    ),
}
Files = Annotated[list[Path], typer.Argument(help="Predictions or runs, all of the same photographs.")]


@spread
def vote(files: Files, options: VoteOptions, config: EnsembleConfig) -> Report:
    """Combine the members with equal weights.

    Nothing is fitted, unless --fuse-by learned or --decision cut-points asks for it.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a predictions file, and a .json beside it.
    """
    from drkit.ensembling.blend import Vote
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Vote(**vars(options)), config)


@spread
def weight(files: Files, options: WeightOptions, config: EnsembleConfig) -> Report:
    """Combine the members by a weighted mean, with weights fitted to reference grades.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a predictions file, and a .json beside it.
    """
    from drkit.ensembling.weight import Weight
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Weight(**vars(options)), config)


@spread
def stack(files: Files, options: StackOptions, config: EnsembleConfig) -> Report:
    """Combine the members by a small meta-learner on their scores and probabilities.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a predictions file, and a .json beside it.
    """
    from drkit.ensembling.stack import Stack
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Stack(**vars(options)), config)


@spread
def boost(files: Files, options: BoostOptions, config: EnsembleConfig) -> Report:
    """Correct the members' mean with small boosted trees, or run AdaBoost over the members.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a predictions file, and a .json beside it.
    """
    from drkit.ensembling.boost import Boost
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Boost(**vars(options)), config)


@spread
def bag(files: Files, options: BagOptions, config: EnsembleConfig) -> Report:
    """Fit a method to many bootstrap samples of patients, and average the results.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a predictions file, and a .json beside it.
    """
    from drkit.ensembling.bag import Bag
    from drkit.ensembling.serialization import build_method
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, Bag(build_method(options.of), options.bags), config)


@spread
def method(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="METHOD", help=f"Name and parameters, e.g. trimmed:share=0.2. {describe_catalogue(METHODS)}."
        ),
    ],
    files: Files,
    config: EnsembleConfig,
) -> Report:
    """Combine the members by a method given as name:parameter=value, such as one that an installed package adds.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a predictions file, and a .json beside it.
    """
    from drkit.ensembling.serialization import build_method
    from drkit.recipes.ensemble import run_ensemble

    return run_ensemble(files, build_method(spec), config)


@spread
def compare(files: Files, config: CompareConfig, tables: TableFiles) -> Report:
    """Compare all methods with each member and with the plain mean, on held-out patients.

    Reads: predictions (.parquet, or runs' names). Writes: OUT, a picture, a .json beside it, and MARKDOWN
    and CSV if given.
    """
    from drkit.recipes.compare import run_compare

    return run_compare(files, config, tables)
