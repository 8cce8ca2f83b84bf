"""`drkit export`: a run as ONNX, or as a folder that timm takes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from drkit.cli.options import DEFAULT_DATA, Data, Force
from drkit.reporting import Report

EXAMPLES = (
    "drkit export runs/first --format onnx --out first.onnx --data DeepDRiD",
    "drkit export runs/first --format timm --out first-timm --licence cc-by-4.0",
)


def export(
    run: Annotated[Path, typer.Argument(help="A finished run: its stem, or any of its files.")],
    format: Annotated[
        Literal["onnx", "timm"],
        typer.Option(help="onnx: one file; timm: a folder for timm.create_model('local-dir:...') and the Hub."),
    ],
    out: Annotated[Path, typer.Option(help="The file, or the folder.")],
    data: Data = DEFAULT_DATA,
    check: Annotated[
        int,
        typer.Option(min=0, help="ONNX: compare onnxruntime with torch on the photographs of N patients; 0: do not."),
    ] = 8,
    input: Annotated[
        Literal["uint8", "float32"], typer.Option(help="ONNX: type of the photographs, 0-255 in both.")
    ] = "uint8",
    opset: Annotated[int, typer.Option(help="ONNX: version of its operators.")] = 18,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="ONNX: write OUT with 8 bit weights, too (NAME.int8.onnx), and score both on val."),
    ] = False,
    fold: Annotated[int | None, typer.Option(min=0, help="Only this fold's network.")] = None,
    network_seed: Annotated[int | None, typer.Option(min=0, help="Only the networks of this seed.")] = None,
    licence: Annotated[str, typer.Option(help="Of the exported network, for its metadata.")] = "not stated",
    force: Force = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read photographs.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where photographs go that do not fit in memory.")] = None,
) -> Report:
    """Write a finished run as ONNX, or as a folder that timm takes; folds and seeds become one mean network.

    Reads: a run; for ONNX photographs to check it with. Writes: OUT. ONNX files need the extra named export.
    """
    from drkit.recipes.export import ExportConfig, run_export

    config = ExportConfig(
        format,
        out,
        data,
        check=check,
        fold=fold,
        network_seed=network_seed,
        input=input,
        opset=opset,
        int8=int8,
        licence=licence,
        force=force,
        workers=workers,
        cache_dir=cache_dir,
    )
    return run_export(run, config)
