"""`drkit export`: a run as an ONNX file, or as a folder that timm loads."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from drkit.config.export import MAX_OPSET, MIN_OPSET, ExportConfig, Format
from drkit.errors import InputError, UsageError
from drkit.exporting.card import write_card
from drkit.exporting.facts import collect_facts, own_agreement
from drkit.exporting.graph import RunGraph
from drkit.exporting.inputs import GraphInputs
from drkit.exporting.int8 import Int8Outcome, export_int8, int8_path
from drkit.exporting.onnx_model import check_installed, write_onnx
from drkit.exporting.verification import TOLERANCE, OnnxCheck, compare, grade_with_both, some_patients
from drkit.models.restoring import OpenedRun, open_run
from drkit.models.timm_folder import build_timm_network, write_timm_folder
from drkit.progress import notify, warn
from drkit.records.atomic import check_writable, write_bytes, writing
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.reporting import Table

TIMM_FILES = ("model.safetensors", "README.md", "config.json")  # timm accepts a folder once it has the last


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """The export that was written.

    Args:
        run: The run that was exported.
        format: onnx or timm.
        out: The file or folder.
        size_bytes: Size of the file, or of the folder's files together.
        networks: Number of networks in it.
        facts: The metadata in it.
        check: Differences of an ONNX file from torch; None if it was not checked.
        int8: The file of `--int8`; None without.
    """

    run: Path
    format: Format
    out: Path
    size_bytes: int
    networks: int
    facts: dict[str, Any]
    check: OnnxCheck | None = None
    int8: Int8Outcome | None = None

    def render(self) -> Iterator[str | Table]:
        """Return sizes and checks of the files."""
        content = f"the mean of its {self.networks} networks" if self.networks > 1 else "its network"
        yield f"{self.run}: {content} as {self.format}, {self.size_bytes / 1e6:.1f} MB"
        if self.check:
            yield str(self.check)
        if self.int8:
            yield f"with 8-bit weights: {self.int8.size_bytes / 1e6:.1f} MB; {self.int8.check}"
            yield self.int8.table()
            yield f"wrote {self.int8.file}"
        yield f"wrote {self.out}"


def run_export(run_path: Path, config: ExportConfig) -> ExportReport:
    """Write a finished run in another program's format.

    Raises:
        InputError: no such run or data set, photographs that cannot be read, no graded val for `int8`, or an ONNX file
            whose predictions differ from the run's.
        UsageError: an option of the other format, a missing extra, an unknown fold or seed, or a run that the format
            cannot hold.
        OutputExistsError: the output exists already.
    """
    _check_options(config)
    if config.format == "timm":
        outputs = [config.out / name for name in TIMM_FILES]
    else:
        outputs = [config.out, int8_path(config.out)] if config.int8 else [config.out]
    for path in outputs:
        check_writable(path, force=config.force)
    opened = open_run(run_path, config.fold, config.network_seed)
    facts = collect_facts(opened, config.licence)
    return _export_onnx(opened, facts, config) if config.format == "onnx" else _export_timm(opened, facts, config)


def _check_options(config: ExportConfig) -> None:
    if config.format == "timm" and config.int8:
        raise UsageError("--int8 needs --format onnx")
    if not MIN_OPSET <= config.opset <= MAX_OPSET:
        raise UsageError(f"--opset {config.opset}: expected {MIN_OPSET} to {MAX_OPSET}")
    if config.format == "onnx":
        check_installed()


def _export_timm(opened: OpenedRun, facts: dict[str, Any], config: ExportConfig) -> ExportReport:
    network = build_timm_network(opened)
    card = write_card(facts, opened.header.architecture.side, own_agreement(opened), opened.header.chosen_on)
    with TemporaryDirectory() as draft:
        write_timm_folder(opened, network, Path(draft), facts)
        (Path(draft) / "README.md").write_text(card, encoding="utf-8")
        contents = {name: (Path(draft) / name).read_bytes() for name in TIMM_FILES}
    for name, content in contents.items():
        write_bytes(config.out / name, content, force=config.force)
    return ExportReport(
        run=opened.run.stem,
        format=config.format,
        out=config.out,
        size_bytes=sum(map(len, contents.values())),
        networks=1,
        facts=facts,
    )


def _export_onnx(opened: OpenedRun, facts: dict[str, Any], config: ExportConfig) -> ExportReport:
    labels = read_datasets(config.data) if config.check or config.int8 else None
    graph = RunGraph(opened).eval()
    with writing(config.out, force=config.force) as draft:
        notify(f"tracing {len(opened.graders)} networks")
        write_onnx(graph, _example_inputs(opened), draft, dtype=config.input, opset=config.opset, facts=facts)
        check = _check(opened, labels, draft, config) if labels is not None and config.check else None
        int8 = export_int8(opened, labels, draft, config) if labels is not None and config.int8 else None
        size = draft.stat().st_size
    if check is None:
        warn(f"{config.out} was not compared with torch: --check 8 --data PATH compares it on photographs")
    return ExportReport(
        run=opened.run.stem,
        format=config.format,
        out=config.out,
        size_bytes=size,
        networks=len(opened.graders),
        facts=facts,
        check=check,
        int8=int8,
    )


def _example_inputs(opened: OpenedRun) -> GraphInputs:
    """Two complete units of random pixels, to trace the graph with."""
    slots, side = opened.header.architecture.num_slots, opened.header.bank_side
    photographs = np.random.default_rng(0).integers(0, 256, (2, slots, 3, side, side), np.uint8)
    return GraphInputs(photographs, np.ones((2, slots), bool))


def _check(opened: OpenedRun, labels: Labels, file: Path, config: ExportConfig) -> OnnxCheck:
    """Compare onnxruntime with torch on the photographs of some patients.

    Raises:
        InputError: they differ.
    """
    chosen = some_patients(labels, config.check)
    check = compare(*grade_with_both(opened, chosen, file, workers=config.workers))
    if not check.passes:
        raise InputError(
            f"{config.out} was not written: {check}, expected at most {TOLERANCE:g}: please report this bug"
        )
    return check
