"""`export`: a run as a file or folder that other programs read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch

from drkit.data.patients import name_unknown_patients
from drkit.decisions import GradePredictions
from drkit.errors import InputError, UsageError
from drkit.evaluation.agreement import Agreement, with_interval
from drkit.exporting.card import write_card
from drkit.exporting.facts import NOT_STATED, agreement_on, collect_facts, own_agreement
from drkit.exporting.graph import RunGraph
from drkit.exporting.inputs import GraphInputs, build_inputs
from drkit.exporting.onnx_model import (
    MAX_OPSET,
    MIN_OPSET,
    Dtype,
    check_installed,
    grade_with_onnx,
    write_int8,
    write_onnx,
)
from drkit.grading import grade_photographs
from drkit.models.restoring import OpenedRun, open_run
from drkit.models.timm_folder import build_timm_network, write_timm_folder
from drkit.progress import notify, warn
from drkit.records.atomic import check_writable, write_bytes, writing
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.records.predictions import Predictions, build_predictions, patient_keys
from drkit.reporting import Table

Format = Literal["onnx", "timm"]
TOLERANCE = 1e-3  # of probabilities and scores, between onnxruntime and torch
CALIBRATION_PATIENTS = 24
TIMM_FILES = ("model.safetensors", "README.md", "config.json")  # the last makes it a folder of timm's


@dataclass(frozen=True)
class ExportConfig:
    """What is written, and how it is checked.

    Args:
        format: onnx, or timm: a folder.
        out: The file, or the folder.
        data: Photographs to check an ONNX file with, and to calibrate and score an int8 one.
        check: Patients whose photographs onnxruntime and torch both grade; 0: none.
        fold: Only this fold's network; None: the mean of all.
        network_seed: Only this seed's networks; None: the mean of all.
        input: Type of the ONNX file's photographs.
        opset: Version of ONNX's operators.
        int8: Write an 8 bit ONNX file, too, and score both on val.
        licence: Of the exported network.
        force: Overwrite what is there.
        workers: Threads that read photographs; None: one a core.
        cache_dir: Where photographs go that do not fit in memory; None: the user's cache.
    """

    format: Format
    out: Path
    data: Sequence[Path] = field(default_factory=lambda: [Path("DeepDRiD")])
    check: int = 8
    fold: int | None = None
    network_seed: int | None = None
    input: Dtype = "uint8"
    opset: int = MIN_OPSET
    int8: bool = False
    licence: str = NOT_STATED
    force: bool = False
    workers: int | None = None
    cache_dir: Path | None = None


@dataclass(frozen=True)
class OnnxCheck:
    """How onnxruntime's answers differ from torch's on the same photographs.

    Args:
        photographs: How many were graded by both.
        max_probability_difference: The largest, over photographs and grades.
        max_score_difference: The largest, in grades.
    """

    photographs: int
    max_probability_difference: float
    max_score_difference: float

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"onnxruntime and torch graded {self.photographs} photographs: probabilities differ by at most"
            f" {self.max_probability_difference:.1e}, scores by {self.max_score_difference:.1e}"
        )


@dataclass(frozen=True)
class Int8Outcome:
    """What 8 bits cost.

    Args:
        file: That was written.
        size_bytes: Of the file.
        check: Against the same network in float32.
        agreement: On val, of the network in float32.
        int8_agreement: On val, in 8 bits.
    """

    file: Path
    size_bytes: int
    check: OnnxCheck
    agreement: Agreement
    int8_agreement: Agreement


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Args:
        run: That was exported.
        format: onnx or timm.
        out: The file or folder.
        size_bytes: Of the file, or of the folder's files together.
        networks: How many are in it.
        facts: What the file says of itself.
        check: Of an ONNX file; None: it was not checked.
        int8: Of `--int8`.
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
        """The outcome, for people."""
        count = f"the mean of its {self.networks} networks" if self.networks > 1 else "its network"
        yield f"{self.run}: {count} as {self.format}, {self.size_bytes / 1e6:.1f} MB"
        if self.check:
            yield str(self.check)
        if self.int8:
            yield f"in 8 bits {self.int8.size_bytes / 1e6:.1f} MB; {self.int8.check}"
            yield _compare(self.int8)
            yield f"wrote {self.int8.file}"
        yield f"wrote {self.out}"


def run_export(run_path: Path, config: ExportConfig) -> ExportReport:
    """Write a finished run in another program's format.

    Raises:
        InputError: no such run or data set, photographs that cannot be read, no graded val for `int8`, or an ONNX file
            that answers differently.
        UsageError: an option of the other format, a missing extra, a fold or seed that is not there, or a run that the
            format has no place for.
        OutputExistsError: the output is there already.
    """
    _check_options(config)
    for path in _outputs(config):
        check_writable(path, force=config.force)
    opened = open_run(run_path, config.fold, config.network_seed)
    facts = collect_facts(opened, config.licence)
    return _export_onnx(opened, facts, config) if config.format == "onnx" else _export_timm(opened, facts, config)


def _check_options(config: ExportConfig) -> None:
    if config.format == "timm" and config.int8:
        raise UsageError("--int8 is of --format onnx")
    if not MIN_OPSET <= config.opset <= MAX_OPSET:
        raise UsageError(f"--opset {config.opset}: {MIN_OPSET} to {MAX_OPSET} are expected")
    if config.format == "onnx":
        check_installed()


def _outputs(config: ExportConfig) -> list[Path]:
    if config.format == "timm":
        return [config.out / name for name in TIMM_FILES]
    return [config.out, _int8_path(config.out)] if config.int8 else [config.out]


def _int8_path(out: Path) -> Path:
    return out.with_suffix(f".int8{out.suffix}")


def _export_timm(opened: OpenedRun, facts: dict[str, Any], config: ExportConfig) -> ExportReport:
    network = build_timm_network(opened)
    card = write_card(facts, opened.header.architecture.side, own_agreement(opened), opened.header.chosen_on)
    with TemporaryDirectory() as draft:
        write_timm_folder(opened, network, Path(draft), facts)
        (Path(draft) / "README.md").write_text(card, encoding="utf-8")
        contents = {name: (Path(draft) / name).read_bytes() for name in TIMM_FILES}
    for name, content in contents.items():
        write_bytes(config.out / name, content, force=config.force)
    size = sum(map(len, contents.values()))
    return ExportReport(opened.run.stem, config.format, config.out, size, 1, facts)


def _export_onnx(opened: OpenedRun, facts: dict[str, Any], config: ExportConfig) -> ExportReport:
    labels = read_datasets(config.data) if config.check or config.int8 else None
    graph = RunGraph(opened).eval()
    with writing(config.out, force=config.force) as draft:
        notify(f"tracing {len(opened.graders)} networks")
        write_onnx(graph, _example(opened), draft, dtype=config.input, opset=config.opset, facts=facts)
        check = None
        if labels is not None and config.check:
            check = _check(opened, _some_patients(labels, config.check), draft, config)
        int8 = _export_int8(opened, labels, draft, config) if labels is not None and config.int8 else None
        size = draft.stat().st_size
    if check is None:
        warn(f"{config.out} was not compared with torch: --check 8 --data PATH compares it on photographs")
    networks = len(opened.graders)
    return ExportReport(opened.run.stem, config.format, config.out, size, networks, facts, check, int8)


def _example(opened: OpenedRun) -> GraphInputs:
    """Two units of noise, whole."""
    places, side = opened.header.architecture.num_slots, opened.header.bank_side
    photographs = np.random.default_rng(0).integers(0, 256, (2, places, 3, side, side), np.uint8)
    return GraphInputs(photographs, np.ones((2, places), bool), np.arange(2))


def _check(opened: OpenedRun, labels: Labels, file: Path, config: ExportConfig) -> OnnxCheck:
    """Compare onnxruntime with torch, photographs read and joined as `drkit predict` does.

    Raises:
        InputError: they differ.
    """
    by_torch = _grade_by_torch(opened, labels, config)
    check = _differences(by_torch, _grade_by_onnx(opened, labels, file, config))
    if max(check.max_probability_difference, check.max_score_difference) > TOLERANCE:
        raise InputError(f"{config.out} is not written: {check}; at most {TOLERANCE:g} is expected, report it as a bug")
    return check


def _export_int8(opened: OpenedRun, labels: Labels, file: Path, config: ExportConfig) -> Int8Outcome:
    val = labels.of_split("val").graded(opened.header.target)
    train = labels.of_split("train")
    if not len(val) or not len(train):
        lacks = "graded photographs of split val" if not len(val) else "photographs of split train to calibrate with"
        raise InputError(f"{labels.title} has no {lacks}: --int8 needs them, name another data set with --data")
    calibration = build_inputs(opened, _some_patients(train, CALIBRATION_PATIENTS), workers=config.workers)
    by_torch = _grade_by_torch(opened, val, config)
    with writing(_int8_path(config.out), force=config.force) as draft:
        notify(f"calibrating 8 bits on {int(calibration.mask.sum())} photographs of train")
        write_int8(file, draft, calibration)
        answers = _grade_by_onnx(opened, val, draft, config)
        size = draft.stat().st_size
    graded = _with_answers(by_torch, answers, name_unknown_patients(val))
    return Int8Outcome(
        _int8_path(config.out),
        size,
        _differences(by_torch, answers),
        agreement_on(by_torch, "val"),
        agreement_on(graded, "val"),
    )


def _grade_by_torch(opened: OpenedRun, labels: Labels, config: ExportConfig) -> Predictions:
    return grade_photographs(opened, labels, torch.device("cpu"), workers=config.workers, cache_dir=config.cache_dir)


def _grade_by_onnx(opened: OpenedRun, labels: Labels, file: Path, config: ExportConfig) -> GradePredictions:
    """N answers, photograph by photograph."""
    inputs = build_inputs(opened, labels, workers=config.workers, cache_dir=config.cache_dir)
    return grade_with_onnx(file, inputs).take(inputs.unit_of)


def _differences(by_torch: Predictions, answers: GradePredictions) -> OnnxCheck:
    return OnnxCheck(
        len(by_torch),
        float(np.abs(by_torch.probabilities() - answers.probabilities).max()),
        float(np.abs(by_torch.rows["score"].to_numpy() - answers.score).max()),
    )


def _with_answers(by_torch: Predictions, answers: GradePredictions, labels: Labels) -> Predictions:
    """Predictions of the same photographs, decided in the same way."""
    meta = replace(by_torch.meta, seeds=())
    shares = answers.probabilities / answers.probabilities.sum(1, keepdims=True)
    return build_predictions(labels, probabilities=shares, score=answers.score, meta=meta, name=by_torch.name)


def _some_patients(labels: Labels, num_patients: int) -> Labels:
    """The photographs of at most so many patients, spread over the data set."""
    patients = patient_keys(name_unknown_patients(labels).rows)
    unique = np.unique(patients)
    chosen = unique[np.linspace(0, len(unique) - 1, min(num_patients, len(unique))).round().astype(int)]
    return replace(labels, rows=labels.rows[np.isin(patients, chosen)].reset_index(drop=True))


def _compare(outcome: Int8Outcome) -> Table:
    rows = [
        (
            name,
            str(agreement.cases),
            with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval),
            f"{agreement.accuracy:.3f}",
        )
        for name, agreement in (("float32", outcome.agreement), ("int8", outcome.int8_agreement))
    ]
    return Table("On val, by photograph", ("weights", "photographs", "quadratic kappa", "accuracy"), rows)
