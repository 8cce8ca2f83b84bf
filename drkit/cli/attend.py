"""`drkit attend`: transfer learning with attention, compared with a run without it."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import DryRun, ListBackbones, PreviewAugmentation, spread
from drkit.config.shared import TableFiles
from drkit.config.training import AttendConfig, RunOptions
from drkit.reporting import Report

EXAMPLES = (
    "drkit attend --attention se,spatial --freeze 4 --choose last --baseline runs/plain.parquet",
    "drkit attend --attention self:heads=8 --freeze 4 --choose inner --seeds 3 --train-baseline --name self",
)


@spread
def attend(
    config: AttendConfig,
    options: RunOptions,
    tables: TableFiles,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Compare with this finished run without attention (or its predictions), in paired samples."),
    ] = None,
    train_baseline: Annotated[
        bool,
        typer.Option(
            "--train-baseline",
            help="First train the same network without attention, as NAME-baseline, and compare with it.",
        ),
    ] = False,
    dry_run: DryRun = False,
    preview_augmentation: PreviewAugmentation = None,
    list_backbones: ListBackbones = None,
) -> Report:
    """Fine-tune with attention blocks between backbone and pooling, and measure what they change.

    All options of finetune apply. The blocks are initialised to the identity, so that training starts from the network
    without attention. With --train-baseline, --resume keeps a baseline that is already finished.

    Reads: a data set, weights, and a baseline. Writes: the files of a run as finetune does (with --train-baseline, of
    two runs), and NAME.comparison.json; with MARKDOWN and CSV also the tables of the comparison.
    """
    from drkit.recipes.attend import plan_attend, run_attend
    from drkit.recipes.finetune import preview_augmentation as preview

    if preview_augmentation is not None:
        return preview(config, preview_augmentation, force=options.force)
    if dry_run:
        return plan_attend(config, options, train_baseline=train_baseline)
    return run_attend(config, options, baseline, train_baseline=train_baseline, tables=tables)
