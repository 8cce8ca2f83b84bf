"""The options of `drkit preprocess`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from drkit.config.shared import DEFAULT_DATA, Data, Force

DEFAULT_SIZE = 512  # pixels; side of the written photographs if no step sets it


@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """Which photographs go through which steps, and where the new data set goes."""

    out: Annotated[Path | None, Argument(help="Folder of the new data set.", show_default=False)] = None
    steps: Annotated[
        str,
        Option(help="Steps in order, e.g. circle-crop,clahe:clip=2:tiles=8. --list-steps shows all of them."),
    ] = "circle-crop"
    data: Data = field(default_factory=DEFAULT_DATA.copy)
    size: Annotated[
        int | None,
        Option(
            help="Side of the written photographs in pixels, 16 to 8192. Default: the size of a resize step, else"
            f" {DEFAULT_SIZE}."
        ),
    ] = None
    format: Annotated[
        Literal["jpg", "png"], Option(help="File format of the written photographs. jpg: with quality 95.")
    ] = "jpg"
    workers: Annotated[
        int | None, Option(help="Number of processes on this machine. Default: one per core.", show_default=False)
    ] = None
    force: Force = False
    keep_going: Annotated[bool, Option("--keep-going", help="Exit with code 0 even if some photographs failed.")] = (
        False
    )
