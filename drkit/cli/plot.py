"""`drkit plot`: pictures of runs."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import Force
from drkit.reporting import Report

EXAMPLES = (
    "drkit plot curves runs/quick",
    "drkit plot curves runs/a runs/b --out compared.svg",
)


def curves(
    files: Annotated[list[Path], typer.Argument(help="Runs: their stems or any of their files.")],
    out: Annotated[Path, typer.Option(help="The picture; its suffix says which kind (png, svg, pdf).")] = Path(
        "curves.png"
    ),
    force: Force = False,
) -> Report:
    """Draw loss, accuracy and both kappas over the epochs, and training against validation.

    Reads: the histories of runs. Writes: a picture.
    """
    from drkit.recipes.plot import CurvesConfig, run_curves

    return run_curves(files, CurvesConfig(out, force))
