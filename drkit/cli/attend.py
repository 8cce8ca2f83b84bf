"""`drkit attend`: transfer learning with attention, and what it changes."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import DryRun, Force, ListBackbones, Name, PreviewAugmentation, Resume, RunsDir, spread
from drkit.reporting import Report
from drkit.training.config import AttendConfig

EXAMPLES = (
    "drkit attend --attention se,spatial --freeze 4 --choose last --baseline runs/plain.parquet",
    "drkit attend --attention self:heads=8 --freeze 4 --choose inner --seeds 3 --train-baseline --name selfish",
)


@spread
def attend(
    config: AttendConfig,
    baseline: Annotated[
        Path | None,
        typer.Option(help="A finished run without attention, or its predictions: ends with the paired difference."),
    ] = None,
    train_baseline: Annotated[
        bool,
        typer.Option(
            "--train-baseline", help="First train the same without attention, as NAME-baseline, to compare with."
        ),
    ] = False,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Resume = False,
    dry_run: DryRun = False,
    preview_augmentation: PreviewAugmentation = None,
    list_backbones: ListBackbones = None,
    force: Force = False,
) -> Report:
    """Fine-tune with attention between backbone and pool, and say what it changes.

    Every option of finetune; attention begins as if it were not there. With --train-baseline, --resume keeps the
    baseline where it is finished.

    Reads: a data set, weights, and a baseline. Writes: a run as finetune, with --train-baseline two, and
    NAME.comparison.json.
    """
    from drkit.recipes.attend import plan_attend, run_attend
    from drkit.recipes.finetune import preview_augmentation as preview
    from drkit.training.execution import RunOptions

    options = RunOptions(runs_dir, name, resume, force)
    if preview_augmentation is not None:
        return preview(config, preview_augmentation, force=force)
    if dry_run:
        return plan_attend(config, options, train_baseline=train_baseline)
    return run_attend(config, options, baseline, train_baseline=train_baseline)
