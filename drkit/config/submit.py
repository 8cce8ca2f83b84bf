"""The options of `drkit submit`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option


@dataclass(frozen=True)
class SubmitConfig:
    """Which submission is written, and what it is checked against."""

    sample: Annotated[
        Path | None,
        Option(
            help="The competition's sample_submission.csv. It defines the rows, their order, the spelling of the ids"
            " and the two columns, e.g. ID,TARGET; id_code,diagnosis (APTOS); image,level (EyePACS). Default: the rows"
            " of split test as ID,TARGET, where an ID is the image id plus .jpg."
        ),
    ] = None
    out: Annotated[Path, Option(help="CSV to write.")] = Path("submission.csv")
    force: Annotated[bool, Option("--force", help="Overwrite an existing submission.")] = False
