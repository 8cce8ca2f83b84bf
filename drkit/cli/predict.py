"""`drkit predict`: a trained run grades photographs."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import DEFAULT_DATA, Data, Force, KeepGoing
from drkit.grades import Split
from drkit.reporting import Report
from drkit.training.config import Device, Precision

EXAMPLES = (
    "drkit predict runs/tf_efficientnet_lite0-image-patient --data DeepDRiD --split test",
    "drkit predict fundus --data my-photographs --csv graded.csv --report graded.html",
)


def predict(
    run: Annotated[
        Path,
        typer.Argument(
            help="A finished run: its stem or any of its files; an ensemble's .json; or fundus, which comes with drkit."
        ),
    ],
    data: Data = DEFAULT_DATA,
    split: Annotated[Split | None, typer.Option(help="Only this split's photographs.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The predictions file; predictions/<run>.parquet by default.")
    ] = None,
    force: Force = False,
    device: Annotated[Device, typer.Option(help="auto: a GPU if there is one.")] = "auto",
    precision: Annotated[
        Precision, typer.Option(help="auto: bf16 on a GPU, fp16 where it has no bf16; else 32 bits.")
    ] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read photographs.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where photographs go that do not fit in memory.")] = None,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Keep each photograph's activations in the predictions file.")
    ] = False,
    keep_going: KeepGoing = False,
    csv: Annotated[
        Path | None, typer.Option(help="Also write a CSV, with referral and quality warnings for each photograph.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Also write an HTML page: for each patient photographs, grades, maps and quality warnings."),
    ] = None,
) -> Report:
    """Grade photographs with a finished run, whether or not their grades are known.

    Reads: a run and data sets. Writes: a predictions file (parquet), and on request a CSV and an HTML page.
    """
    from drkit.recipes.predict import PredictConfig, run_predict

    config = PredictConfig(
        data,
        split,
        out,
        force,
        device,
        workers,
        cache_dir,
        embeddings,
        keep_going,
        csv=csv,
        report=report,
        precision=precision,
    )
    return run_predict(run, config)
