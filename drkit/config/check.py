"""The options of `drkit check`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from drkit.config.shared import Force

FailOn = Literal["error", "warning", "never"]


@dataclass(frozen=True)
class CheckConfig:
    """What is audited besides the paths, and which findings fail the audit."""

    sample: Annotated[
        Path | None,
        Option(help="The competition's sample_submission.csv. All CSVs given are then treated as submissions."),
    ] = None
    contact_sheet: Annotated[
        Path | None,
        Option(help="Picture (.png) to draw of the duplicate photographs, side by side with ids and grades."),
    ] = None
    fail_on: Annotated[
        FailOn,
        Option(help="Findings that set exit code 1. error: errors only; warning: errors and warnings; never: none."),
    ] = "warning"
    force: Force = False
    workers: Annotated[int | None, Option(min=1, help="Threads that read photographs. Default: one per core.")] = None
