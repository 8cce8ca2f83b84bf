"""`drkit synth`: synthetic fundus photographs to try everything on."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import Force, Seed
from drkit.machine import allowed_cpus
from drkit.reporting import Report

EXAMPLES = (
    "drkit synth DeepDRiD --patients 60",
    "drkit synth small --patients 12 --size 64 --seed 1",
)


def synth(
    out: Annotated[Path, typer.Argument(help="The data set's folder, new or empty.", show_default=False)],
    patients: Annotated[int, typer.Option(help="Patients over all splits, four photographs each.")] = 60,
    size: Annotated[int, typer.Option(help="Side of a photograph in pixels.")] = 256,
    seed: Seed = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; as many as the machine has cores by default.", show_default=False)
    ] = None,
    force: Force = False,
) -> Report:
    """Make synthetic fundus photographs whose lesions follow the grade.

    Reads: nothing. Writes: OUT in the course's layout (train, val, test; 60/20/20), test_grades.csv, and the
    lesions' masks and counts.
    """
    from drkit.recipes.synth import SynthConfig, run_synth

    workers = workers if workers is not None else allowed_cpus()
    return run_synth(SynthConfig(out, patients=patients, size=size, seed=seed, workers=workers, force=force))
