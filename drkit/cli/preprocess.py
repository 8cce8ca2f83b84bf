"""`drkit preprocess`: filters over every photograph of a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from drkit.catalogue import FILTERS, Filter
from drkit.cli import console
from drkit.cli.options import DEFAULT_DATA, Data, DryRun, Force
from drkit.errors import DrkitError, UsageError
from drkit.reporting import Report, Table

EXAMPLES = (
    "drkit preprocess cropped --steps circle-crop,clahe:clip=2:tiles=8 --data DeepDRiD --size 384",
    "drkit preprocess --preview steps.png --steps circle-crop,ben-graham,sharpen --data DeepDRiD",
)


@dataclass(frozen=True)
class StepList:
    """What `--list-steps` shows."""

    def render(self) -> Iterator[str | Table]:
        """A row a step."""
        rows = [[name, step.summary, _parameters(step), step.source] for name, step in FILTERS.own.items()]
        rows += [_added_row(*added) for added in FILTERS.added()]
        yield Table("steps", ("step", "what it does", "parameters = default", "source"), rows)
        yield "Commas between steps, colons between a step's parameters: circle-crop,clahe:clip=2:tiles=8"


def _parameters(step: Filter) -> str:
    return "\n".join(
        f"{name}={parameter.default:g} ({parameter.low:g}-{parameter.high:g}): {parameter.meaning}"
        for name, parameter in step.parameters.items()
    )


def _added_row(name: str, package: str, step: Filter | DrkitError) -> list[str]:
    if isinstance(step, DrkitError):
        return [name, str(step), "", package]
    return [name, step.summary, _parameters(step), f"{package}: {step.source}"]


def _list_steps(wanted: bool) -> None:
    if wanted:
        console.show(StepList(), as_object=False)
        raise typer.Exit


def preprocess(
    out: Annotated[Path | None, typer.Argument(help="The new data set's folder.", show_default=False)] = None,
    steps: Annotated[str, typer.Option(help="As in circle-crop,clahe:clip=2:tiles=8; see --list-steps.")] = (
        "circle-crop"
    ),
    data: Data = DEFAULT_DATA,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the photographs in pixels.", show_default="what a resize step says, else 512"),
    ] = None,
    format: Annotated[Literal["jpg", "png"], typer.Option(help="jpg is of quality 95.")] = "jpg",
    workers: Annotated[
        int | None, typer.Option(help="Processes.", show_default="as many as the machine has cores")
    ] = None,
    engine: Annotated[Literal["local", "dask"], typer.Option(help="Where the work is done.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask cluster's address, as tcp://host:8786; it must see the same files.")
    ] = None,
    force: Force = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Exit 0 although photographs failed.")] = False,
    dry_run: DryRun = False,
    preview: Annotated[
        Path | None, typer.Option(help="Only draw a few photographs before and after every step, into this picture.")
    ] = None,
    list_steps: Annotated[
        bool, typer.Option("--list-steps", callback=_list_steps, is_eager=True, help="List all steps and exit.")
    ] = False,
) -> Report:
    """Crop, even out and sharpen photographs: steps in any order, with parameters.

    Reads: data sets. Writes: OUT with labels.csv, images/ and manifest.json, which tells what became of every
    photograph; of several data sets, OUT/NAME of each. An interrupted run goes on where it stopped; a finished one does
    nothing. All steps behind the last that cuts or scales work on photographs of --size.
    """
    from drkit.recipes.preprocess import (
        PreprocessConfig,
        plan_preprocess,
        run_preprocess,
        run_preprocess_each,
        run_preview,
    )

    config = PreprocessConfig(
        data[0], out or Path(), steps, size, format, workers, engine, scheduler, force=force, keep_going=keep_going
    )
    if preview is not None:
        _check_one(data)
        return run_preview(config, preview)
    if out is None:
        raise UsageError("name the new data set's folder, as in: drkit preprocess cropped --steps circle-crop")
    if dry_run:
        return plan_preprocess(data, config)
    return run_preprocess(config) if len(data) == 1 else run_preprocess_each(data, config)


def _check_one(data: list[Path]) -> None:
    if len(data) > 1:
        raise UsageError(f"--preview shows photographs of one data set: --data was given {len(data)} times")
