"""`predict`: a trained run grades photographs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

import drkit
from drkit.data.bank import PhotographBank, build_bank
from drkit.data.cache import default_cache_dir
from drkit.data.copies import check_grades_agree, number_shared
from drkit.data.patients import name_unknown_patients
from drkit.data.rendering import InputFormat, dihedral_views, render
from drkit.data.units import Unit, Units, build_units
from drkit.ensembling.applying import predict_ensemble
from drkit.ensembling.saving import is_ensemble, read_ensemble
from drkit.errors import InputError
from drkit.grades import NUM_GRADES, SPLITS, Split, Target
from drkit.inference import Answers, run_units
from drkit.losses import build_loss
from drkit.models.restoring import OpenedRun, open_run
from drkit.records.atomic import check_writable
from drkit.records.checkpoint import CheckpointHeader
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.records.manifest import steps_to_apply
from drkit.records.predictions import (
    Predictions,
    PredictionsMeta,
    build_predictions,
    read_predictions,
    write_predictions,
)
from drkit.records.provenance import sha256_file
from drkit.records.runs import find_run
from drkit.reporting import Table
from drkit.talk import warn
from drkit.training.runtime import keep_freed_memory, pick_device

ELSEWHERE = "photographs that are not graded here"

_ARTICLES = {"image": "a photograph", "eye": "an eye", "patient": "a patient"}


@dataclass(frozen=True)
class PredictConfig:
    """What is graded.

    Args:
        data: Data sets in any known layout, with or without grades.
        split: Only this one; None: all photographs.
        out: The predictions file; None: `predictions/<run>.parquet`.
        force: Overwrite it.
        device: `auto`, `cpu`, `cuda` or `mps`.
        workers: Threads that read photographs; None: one a core.
        cache_dir: Where photographs go that do not fit in memory; None: the user's cache.
        embeddings: Keep each photograph's activations in the file.
    """

    data: Sequence[Path]
    split: Split | None = None
    out: Path | None = None
    force: bool = False
    device: str = "auto"
    workers: int | None = None
    cache_dir: Path | None = None
    embeddings: bool = False


@dataclass(frozen=True)
class PredictReport:
    """What was graded.

    Args:
        run: Or ensemble, that graded.
        predictions: The file that was written.
        target: Whose grade was predicted.
        photographs: How many of each split.
        grade_counts: How many were predicted to have grade 0, 1, 2, 3, 4.
        trained_on: How many of the photographs the run was trained on.
    """

    run: Path
    predictions: Path
    target: Target
    photographs: dict[str, int]
    grade_counts: tuple[int, ...]
    trained_on: int

    def story(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        counts = ", ".join(f"{count} {split}" for split, count in self.photographs.items())
        yield f"{self.run} graded {sum(self.photographs.values())} photographs ({counts}) for the {self.target}'s grade"
        yield Table("predicted grades", [str(k) for k in range(NUM_GRADES)], [[str(n) for n in self.grade_counts]])
        yield f"wrote {self.predictions}"


def run_predict(run_path: Path, config: PredictConfig) -> PredictReport:
    """Grade a data set's photographs with a finished run.

    Raises:
        InputError: no such run, no such data set, or photographs that cannot be read.
        OutputExistsError: the predictions file is there already.
    """
    stem = run_path.with_suffix("") if is_ensemble(run_path) else find_run(run_path).stem
    out = config.out or Path("predictions") / f"{stem.name}.parquet"
    check_writable(out, force=config.force)
    predictions = grade_with(run_path, config)
    write_predictions(predictions, out, force=config.force)
    return _report(predictions, stem, out)


def grade_with(path: Path, config: PredictConfig) -> Predictions:
    """Grade a data set with a run, or with an ensemble whose members grade it first."""
    if not is_ensemble(path):
        return grade_dataset(open_run(path), config)
    return predict_ensemble(read_ensemble(path), lambda member: grade_with(member, _as_needed(member, config)))


def _as_needed(member: Path, config: PredictConfig) -> PredictConfig:
    """With embeddings where the member was fitted with them."""
    return replace(config, embeddings=read_predictions(member).embeddings() is not None)


def grade_dataset(opened: OpenedRun, config: PredictConfig) -> Predictions:
    """Grade the photographs of a data set, by the mean of a run's networks."""
    labels = name_unknown_patients(_choose(read_datasets(config.data), config))
    check_grades_agree(labels, number_shared(labels))
    header = opened.header
    units = build_units(labels, cast(Unit, header.architecture.unit), header.architecture.num_slots)
    _check_slots(units, header)
    bank = build_bank(
        labels,
        header.bank_side,
        config.cache_dir or default_cache_dir(),
        workers=config.workers,
        steps=steps_to_apply(labels.roots, header.steps),
        round_discs=header.round_discs,
    )
    keep_freed_memory()
    alone, embedding = _grade(opened, bank, units, pick_device(config.device))
    answers = Answers.mean(alone)
    seen = _was_seen(bank, opened.record)
    chosen_on = _chosen_on(bank, opened)
    return build_predictions(
        labels,
        probabilities=answers.probabilities,
        score=answers.score,
        meta=_meta(labels, opened, seen, chosen_on),
        name=opened.run.name,
        embedding=embedding if config.embeddings else None,
        seed_probabilities=np.stack([each.probabilities for each in alone], 1) if opened.seeds else None,
        seed_score=np.stack([each.score for each in alone], 1) if opened.seeds else None,
    )


def _choose(labels: Labels, config: PredictConfig) -> Labels:
    chosen = labels.of_split(config.split) if config.split else labels
    if not len(chosen):
        raise InputError(f"{labels.title} has no photographs of split {config.split}")
    return chosen


def _check_slots(units: Units, header: CheckpointHeader) -> None:
    """Check that a network with a place for each photograph has one for each.

    Raises:
        InputError: more photographs a unit than it was trained on.
    """
    known = header.architecture.num_slots
    by_slot = header.architecture.fusion == "concat" or header.architecture.unshared or known == 1
    if units.num_slots > known and by_slot:
        raise InputError(
            f"the run joins at most {known} photographs of {_ARTICLES[units.kind]}, the data set has {units.num_slots}"
        )


def _grade(
    opened: OpenedRun, bank: PhotographBank, units: Units, device: torch.device
) -> tuple[list[Answers], np.ndarray]:
    """N answers of each seed, and the first network's activations (N, F), photograph by photograph."""
    header, loss = opened.header, build_loss(opened.header.architecture.loss)
    wanted = InputFormat(header.architecture.side, header.mean, header.std)

    def views(rows: np.ndarray) -> Iterable[Tensor]:
        plain = render(bank.pixels[rows], wanted, device)
        return dihedral_views(plain) if header.tta else [plain]

    outputs = [run_units(grader.to(device), views, units, np.arange(len(units))) for grader in opened.graders]
    by_seed: dict[int | None, list[Answers]] = {}
    for output, each in zip(outputs, opened.headers, strict=True):
        by_seed.setdefault(each.seed, []).append(output.read(loss, each.sigma))
    order = np.argsort(outputs[0].rows)
    return [Answers.mean(answers).at(units.unit_of) for answers in by_seed.values()], outputs[0].activations[order]


def _was_seen(bank: PhotographBank, record: dict[str, Any]) -> np.ndarray:
    """(N,) whether the run was trained on the photograph, told by its content."""
    trained = set(record["trained_on_photographs"])
    seen = np.array([key in trained for key in bank.hashes])
    if seen.any():
        warn(f"the run was trained on {seen.sum()} of these photographs: their grades are no measure of it")
    return seen


def _chosen_on(bank: PhotographBank, opened: OpenedRun) -> str:
    """What picked the epoch; another data set's val is not the val that is graded here."""
    choosers, chosen_on = set(opened.record["chosen_by_photographs"]), opened.header.chosen_on
    is_elsewhere = chosen_on in SPLITS and choosers and choosers.isdisjoint(bank.hashes)
    return ELSEWHERE if is_elsewhere else chosen_on


def _meta(labels: Labels, opened: OpenedRun, seen: np.ndarray, chosen_on: str) -> PredictionsMeta:
    splits, header = labels.rows["split"], opened.header
    wholly = tuple(split for split in SPLITS if (splits == split).any() and seen[splits == split].all())
    partly = labels.rows["image_id"][seen & ~splits.isin(wholly).to_numpy()]
    return PredictionsMeta(
        target=header.target,
        unit=header.architecture.unit,
        decision=header.decision,
        cut_points=header.cut_points,
        trained_on=wholly,
        trained_on_images=tuple(sorted(partly)),
        folds=0,
        seeds=opened.seeds,
        chosen_on=chosen_on,
        model=header.architecture.backbone,
        checkpoint_sha256=sha256_file(opened.checkpoints[0]),
        labels_sha256=labels.sha256,
        provenance={"drkit_version": drkit.__version__, "parents": [each.provenance for each in opened.headers]},
    )


def _report(predictions: Predictions, stem: Path, out: Path) -> PredictReport:
    rows = predictions.rows
    counts = rows["split"].value_counts()
    return PredictReport(
        run=stem,
        predictions=out,
        target=predictions.meta.target,
        photographs={split: int(counts[split]) for split in SPLITS if split in counts},
        grade_counts=tuple(int((rows["predicted_grade"] == grade).sum()) for grade in range(NUM_GRADES)),
        trained_on=int(predictions.leaked_rows().sum()),
    )
