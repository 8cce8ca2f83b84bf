"""`drkit finetune`: transfer learning."""

from pathlib import Path

from drkit.cli.options import DryRun, Force, ListBackbones, Name, PreviewAugmentation, Resume, RunsDir, spread
from drkit.reporting import Report
from drkit.training.config import TrainingConfig

EXAMPLES = (
    "drkit finetune --data DeepDRiD --backbone resnet18 --weights pretrained_DR_resize",
    "drkit finetune --data DeepDRiD --unit patient --freeze 3 --folds 5 --folds-over train+val --name patients",
)


@spread
def finetune(
    config: TrainingConfig,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Resume = False,
    dry_run: DryRun = False,
    preview_augmentation: PreviewAugmentation = None,
    list_backbones: ListBackbones = None,
    force: Force = False,
) -> Report:
    """Fine-tune a pretrained backbone to grade diabetic retinopathy.

    Reads: a data set, and weights. Writes: a run, that is NAME.safetensors (with --folds K and --seeds N:
    NAME.fold0.seed0.safetensors and so on, K times N), NAME.parquet, NAME.history.csv and NAME.json.
    """
    from drkit.recipes.finetune import plan_finetune, run_finetune
    from drkit.recipes.finetune import preview_augmentation as preview
    from drkit.training.execution import RunOptions

    options = RunOptions(runs_dir, name, resume, force)
    if preview_augmentation is not None:
        return preview(config, preview_augmentation, force=force)
    return plan_finetune(config, options) if dry_run else run_finetune(config, options)
