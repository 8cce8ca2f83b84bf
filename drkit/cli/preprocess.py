"""`drkit preprocess`: image filters applied to every photograph of a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from drkit.catalogue import FILTERS, Filter
from drkit.cli import console
from drkit.cli.options import DryRun, spread
from drkit.config.preprocess import PreprocessConfig
from drkit.config.shared import EngineOptions
from drkit.errors import DrkitError
from drkit.reporting import Report, Table

EXAMPLES = (
    "drkit preprocess cropped --steps circle-crop,clahe:clip=2:tiles=8 --data DeepDRiD --size 384",
    "drkit preprocess --preview steps.png --steps circle-crop,ben-graham,sharpen --data DeepDRiD",
)


@dataclass(frozen=True)
class StepList:
    """The table that `--list-steps` prints."""

    def render(self) -> Iterator[str | Table]:
        """Return a table with one row per step, and how steps are written."""
        rows = [[name, step.summary, _parameters(step), step.source] for name, step in FILTERS.own.items()]
        rows += [_added_row(*added) for added in FILTERS.added()]
        yield Table("Steps", ("step", "effect", "parameters: default (range)", "source"), rows)
        yield "Separate steps by commas, and a step from its parameters by colons: circle-crop,clahe:clip=2:tiles=8"


def _parameters(step: Filter) -> str:
    return "\n".join(
        f"{name}={parameter.default:g} ({parameter.low:g}-{parameter.high:g}): {parameter.meaning}"
        for name, parameter in step.parameters.items()
    )


def _added_row(name: str, package: str, step: Filter | DrkitError) -> list[str]:
    if isinstance(step, DrkitError):
        return [name, str(step), "", package]
    return [name, step.summary, _parameters(step), f"{package}: {step.source}"]


def _list_steps(is_given: bool) -> None:
    if is_given:
        console.show(StepList(), as_object=False)
        raise typer.Exit


@spread
def preprocess(
    config: PreprocessConfig,
    engine: EngineOptions,
    dry_run: DryRun = False,
    preview: Annotated[
        Path | None,
        typer.Option(help="Only draw a few photographs before and after each step, into this picture."),
    ] = None,
    list_steps: Annotated[
        bool, typer.Option("--list-steps", callback=_list_steps, is_eager=True, help="List all steps and exit.")
    ] = False,
) -> Report:
    """Crop, normalise and sharpen photographs with any sequence of steps.

    An interrupted command resumes when it is repeated; a finished one does nothing. Steps after the last one that crops
    or scales work on photographs of --size pixels.

    Reads: data sets. Writes: OUT with labels.csv, images/ and manifest.json, which records the outcome for every
    photograph; with several data sets, OUT/NAME for each.
    """
    from drkit.recipes.preprocess import plan_preprocess, run_preprocess
    from drkit.recipes.preview_steps import run_preview

    if preview is not None:
        return run_preview(config, preview)
    return plan_preprocess(config) if dry_run else run_preprocess(config, engine)
