"""`drkit finetune`: transfer learning."""

from pathlib import Path

from drkit.cli.options import DryRun, Force, Name, Resume, RunsDir, spread
from drkit.reporting import Report
from drkit.training.config import TrainingConfig

EXAMPLES = (
    "drkit finetune --data DeepDRiD --epochs 6",
    "drkit finetune --data DeepDRiD --freeze backbone --copies 2 --name quick",
)


@spread
def finetune(
    config: TrainingConfig,
    name: Name = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Resume = False,
    dry_run: DryRun = False,
    force: Force = False,
) -> Report:
    """Fine-tune an ImageNet-pretrained backbone to grade diabetic retinopathy.

    Reads: a data set. Writes: a run, that is NAME.safetensors, NAME.parquet, NAME.history.csv and NAME.json.
    """
    from drkit.recipes.finetune import RunPlace, plan_finetune, run_finetune

    place = RunPlace(runs_dir, name, resume, force)
    return plan_finetune(config, place) if dry_run else run_finetune(config, place)
