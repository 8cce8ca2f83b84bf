"""ONNX files: writing a run's graph with metadata, running it with onnxruntime, and quantising it."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drkit.config.export import Dtype
from drkit.decisions import GradePredictions
from drkit.errors import UsageError
from drkit.exporting.graph import RunGraph
from drkit.exporting.inputs import GraphInputs, GraphUnits
from drkit.progress import track
from drkit.records.provenance import METADATA_KEY, canonical_json

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
QUANTISED = ["Conv", "MatMul", "Gemm"]


def check_installed() -> None:
    """Check that the packages that write and run ONNX files are installed.

    Raises:
        UsageError: a package is missing; the message says what to install.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise UsageError(f"--format onnx needs {', '.join(missing)}: pip install 'drkit[export]'")


def write_onnx(
    graph: RunGraph, example: GraphInputs, path: Path, *, dtype: Dtype, opset: int, facts: Mapping[str, Any]
) -> None:
    """Write a graph with its weights, for any number of units at once.

    Args:
        graph: The graph, in evaluation mode.
        example: At least two units, with which the graph is traced.
        path: The file, which is overwritten.
        dtype: Type of the input `photographs`, grey levels 0-255.
        opset: Version of ONNX's operators.
        facts: Metadata, which is stored as JSON under the key `drkit`.
    """
    photographs = torch.from_numpy(example.photographs[:2]).to(getattr(torch, dtype))
    arguments = (photographs, torch.from_numpy(example.mask[:2]))[: 1 + (example.mask.shape[1] > 1)]
    units = torch.export.Dim("units")
    with _quiet():
        program = torch.onnx.export(
            graph,
            arguments,
            input_names=["photographs", "mask"][: len(arguments)],
            output_names=["probabilities", "score"],
            dynamic_shapes=[{0: units}] * len(arguments),
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[METADATA_KEY] = canonical_json(facts)
    program.save(path, external_data=False)


def grade_with_onnx(path: Path, units: GraphUnits) -> GradePredictions:
    """Predict U units by onnxruntime on the CPU."""
    session = _open(path)
    feeds = track(_feeds(session, units), "grading with ONNX", units.num_batches)
    outputs = [session.run(["probabilities", "score"], feed) for feed in feeds]
    probabilities, score = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return GradePredictions(probabilities, score)


def write_int8(source: Path, path: Path, calibration: GraphUnits) -> None:
    """Write a copy of an ONNX file with 8-bit weights and 16-bit inputs of convolutions and matrix products.

    With 8-bit inputs, the quadratic kappa of a tf_efficientnet_lite0 on DeepDRiD fell from 0.79 to 0.57.

    Args:
        source: A file of `write_onnx`.
        path: The file, which is overwritten.
        calibration: Units from which the ranges of the activations are measured.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    feeds = _feeds(_open(source), calibration)
    with _quiet():
        quantize_static(
            source,
            path,
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            per_channel=True,
            activation_type=QuantType.QUInt16,
        )
    written, original = onnx.load(path), onnx.load(source)
    del written.metadata_props[:]
    written.metadata_props.extend(original.metadata_props)
    onnx.save(written, path)


class _Reader:
    """The calibration units, with the interface that onnxruntime requires.

    Args:
        feeds: The inputs of the graph, batch by batch.
    """

    def __init__(self, feeds: Iterator[dict[str, np.ndarray]]) -> None:
        self.feeds = feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, or None after the last one."""
        return next(self.feeds, None)


def _feeds(session: Any, units: GraphUnits) -> Iterator[dict[str, np.ndarray]]:
    """The inputs of a graph by name, batch by batch."""
    names = [each.name for each in session.get_inputs()]
    dtype = np.uint8 if session.get_inputs()[0].type == "tensor(uint8)" else np.float32
    for batch in units.batches():
        arrays = (batch.photographs.astype(dtype), batch.mask)
        yield dict(zip(names, arrays, strict=False))  # without a mask if units are single photographs


def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the messages of torch's exporter and of onnxruntime's quantisation."""
    with warnings.catch_warnings(action="ignore"):
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
