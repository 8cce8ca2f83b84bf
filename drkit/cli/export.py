"""`drkit export`: a run as an ONNX file, or as a folder that timm loads."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import spread
from drkit.config.export import ExportConfig
from drkit.reporting import Report

EXAMPLES = (
    "drkit export runs/first --format onnx --out first.onnx --data DeepDRiD",
    "drkit export runs/first --format timm --out first-timm --licence cc-by-4.0",
)


@spread
def export(
    run: Annotated[Path, typer.Argument(help="Finished run: its stem or any of its files.")],
    config: ExportConfig,
) -> Report:
    """Write a finished run as an ONNX file or as a folder that timm loads.

    The networks of several folds and seeds become one network that gives their mean.

    Reads: a run, and for ONNX the photographs to check it with. Writes: OUT. ONNX needs the extra: pip install
    'drkit[export]'.
    """
    from drkit.recipes.export import run_export

    return run_export(run, config)
