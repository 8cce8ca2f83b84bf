"""The options of `drkit export`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from drkit.config.shared import DEFAULT_DATA, Data, Fold, Force, NetworkSeed, Workers

Format = Literal["onnx", "timm"]
Dtype = Literal["uint8", "float32"]

MIN_OPSET, MAX_OPSET = 18, 23  # torch's exporter writes 18 or newer
NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What a run is exported to, and how the export is checked."""

    format: Annotated[
        Format,
        Option(
            help="onnx: a single file; timm: a folder for timm.create_model('local-dir:...') and the Hugging Face Hub."
        ),
    ]
    out: Annotated[Path, Option(help="File (onnx) or folder (timm) to write.")]
    data: Data = field(default_factory=DEFAULT_DATA.copy)
    check: Annotated[
        int,
        Option(
            min=0,
            help="ONNX: compare onnxruntime with torch on the photographs of this many patients. 0: skip the check.",
        ),
    ] = 8
    input: Annotated[
        Dtype, Option(help="ONNX: data type of the input photographs, with values 0-255 in either case.")
    ] = "uint8"
    opset: Annotated[int, Option(help=f"ONNX: operator set version, {MIN_OPSET} to {MAX_OPSET}.")] = MIN_OPSET
    int8: Annotated[
        bool,
        Option("--int8", help="ONNX: also write a file with 8-bit weights (NAME.int8.onnx), and score both on val."),
    ] = False
    fold: Fold = None
    network_seed: NetworkSeed = None
    licence: Annotated[str, Option(help="Licence of the exported network, for its metadata.")] = NOT_STATED
    force: Force = False
    workers: Workers = None
