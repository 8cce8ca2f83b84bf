"""`drkit finetune`: transfer learning."""

from drkit.cli.options import DryRun, ListBackbones, PreviewAugmentation, spread
from drkit.config.training import RunOptions, TrainingConfig
from drkit.reporting import Report

EXAMPLES = (
    "drkit finetune --data DeepDRiD --backbone resnet18 --weights pretrained_DR_resize",
    "drkit finetune --data DeepDRiD --unit patient --freeze 3 --folds 5 --folds-over train+val --name patients",
)


@spread
def finetune(
    config: TrainingConfig,
    options: RunOptions,
    dry_run: DryRun = False,
    preview_augmentation: PreviewAugmentation = None,
    list_backbones: ListBackbones = None,
) -> Report:
    """Fine-tune a pretrained backbone to grade diabetic retinopathy.

    Reads: a data set, and weights. Writes: a run: the networks in NAME.safetensors (with --folds and --seeds one file
    each: NAME.fold0.seed0.safetensors and so on), NAME.parquet, NAME.history.csv and NAME.json.
    """
    from drkit.recipes.finetune import plan_finetune, run_finetune
    from drkit.recipes.finetune import preview_augmentation as preview

    if preview_augmentation is not None:
        return preview(config, preview_augmentation, force=options.force)
    return plan_finetune(config, options) if dry_run else run_finetune(config, options)
