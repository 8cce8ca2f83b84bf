"""`drkit attend`: transfer learning with attention, and what it changes."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import DryRun, Force, ListBackbones, Name, PreviewAugmentation, Resume, RunsDir, spread
from drkit.errors import UsageError
from drkit.reporting import Report
from drkit.training.config import AttendConfig

EXAMPLES = (
    "drkit attend --attention se,spatial --freeze 4 --choose last --baseline runs/plain.parquet",
    "drkit attend --attention self:heads=8 --freeze 4 --choose inner --cache-dir cache --seeds 3 --name selfish",
)


@spread
def attend(
    config: AttendConfig,
    baseline: Annotated[
        Path | None,
        typer.Option(help="A finished run without attention, or its predictions: ends with the paired difference."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Train with so many seeds, from --seed on, with attention and without.")
    ] = 1,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Resume = False,
    dry_run: DryRun = False,
    preview_augmentation: PreviewAugmentation = None,
    list_backbones: ListBackbones = None,
    force: Force = False,
) -> Report:
    """Fine-tune with attention between backbone and pool, and say what it changes.

    Every option of finetune; attention begins as if it were not there. With --seeds N the runs are called NAME-s0,
    NAME-baseline-s0 and so on, and --resume keeps those that are finished.

    Reads: a data set, weights, and a baseline. Writes: a run as finetune, or 2 N of them, and NAME.comparison.json.
    """
    from drkit.recipes.attend import plan_attend, run_attend, run_attend_seeds
    from drkit.recipes.finetune import preview_augmentation as preview
    from drkit.training.execution import RunPlace

    place = RunPlace(runs_dir, name, resume, force)
    if seeds > 1 and baseline is not None:
        raise UsageError("--seeds trains a baseline with each seed: leave --baseline out")
    if preview_augmentation is not None:
        return preview(config, preview_augmentation, force=force)
    if dry_run:
        return plan_attend(config, place, seeds)
    return run_attend(config, place, baseline) if seeds == 1 else run_attend_seeds(config, place, seeds)
