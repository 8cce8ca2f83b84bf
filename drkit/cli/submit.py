"""`drkit submit`: predictions to the competition's CSV."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.reporting import Report

EXAMPLES = (
    "drkit submit runs/resnet18-image-patient --sample DeepDRiD/sample_submission.csv",
    "drkit submit predictions/resnet18-image-eye.parquet --out eye.csv --force",
)


def submit(
    file: Annotated[Path, typer.Argument(help="A predictions file, or a run.")],
    sample: Annotated[
        Path | None,
        typer.Option(
            help="The competition's sample_submission.csv: which rows, in which spelling and order, and the columns,"
            " such as ID,TARGET; id_code,diagnosis (APTOS); image,level (EyePACS). Default: the rows of split test as"
            " ID,TARGET, the ID being image id and .jpg."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the CSV goes.")] = Path("submission.csv"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier submission.")] = False,
) -> Report:
    """Write a submission from predictions, checked against the competition's sample.

    Reads: predictions (.parquet, or a run's name), and SAMPLE. Writes: OUT, and a .json of the same name that tells
    where it came from.
    """
    from drkit.recipes.submit import SubmitConfig, run_submit

    return run_submit(file, SubmitConfig(sample=sample, out=out, force=force))
