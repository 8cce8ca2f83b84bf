"""ONNX: a run's graph written with what its users must know, run by onnxruntime, and made smaller."""

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
    """Check that what writes and runs ONNX files is installed.

    Raises:
        UsageError: it is not; the sentence says what to install.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise UsageError(f"--format onnx needs {', '.join(missing)}: pip install 'drkit[export]'")


def write_onnx(
    graph: RunGraph, example: GraphInputs, path: Path, *, dtype: Dtype, opset: int, facts: Mapping[str, Any]
) -> None:
    """Write a graph that takes any number of units at once, weights inside.

    Args:
        graph: In evaluation mode.
        example: At least two units, to trace it with.
        path: The file; overwritten.
        dtype: Of the input `photographs`, grey levels 0-255 in both.
        opset: Version of ONNX's operators.
        facts: Kept as JSON under the metadata key `drkit`.
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
    """Grade units by onnxruntime on the CPU: U answers."""
    session = _open(path)
    feeds = track(_feeds(session, units), "grading with ONNX", units.num_batches)
    answers = [session.run(["probabilities", "score"], feed) for feed in feeds]
    probabilities, score = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    return GradePredictions(probabilities, score)


def write_int8(source: Path, path: Path, calibration: GraphUnits) -> None:
    """Write an ONNX file again with the weights of its convolutions and products in 8 bits, their inputs in 16.

    With inputs in 8 bits, too, a tf_efficientnet_lite0 on DeepDRiD fell from a quadratic kappa of 0.79 to 0.57.

    Args:
        source: From `write_onnx`.
        path: The file; overwritten.
        calibration: Units by which the activations' ranges are told.
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
    """Calibration units as onnxruntime asks for them.

    Args:
        feeds: What the graph is fed, batch by batch.
    """

    def __init__(self, feeds: Iterator[dict[str, np.ndarray]]) -> None:
        self.feeds = feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None: there is no more."""
        return next(self.feeds, None)


def _feeds(session: Any, units: GraphUnits) -> Iterator[dict[str, np.ndarray]]:
    """Units as a graph takes them, batch by batch."""
    names = [each.name for each in session.get_inputs()]
    dtype = np.uint8 if session.get_inputs()[0].type == "tensor(uint8)" else np.float32
    for batch in units.batches():
        arrays = (batch.photographs.astype(dtype), batch.mask)
        yield dict(zip(names, arrays, strict=False))  # a graph whose units are single photographs takes no mask


def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the notes of torch's exporter and of onnxruntime's quantisation off the terminal."""
    with warnings.catch_warnings(action="ignore"):
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
