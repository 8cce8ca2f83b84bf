"""`predict`: a trained run grades photographs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import drkit
from drkit.catalogue import LOSSES
from drkit.data.bank import PhotographBank, build_bank
from drkit.data.cache import default_cache_dir
from drkit.data.patients import name_unknown_patients
from drkit.data.rendering import InputFormat, render
from drkit.errors import InputError
from drkit.grades import NUM_GRADES, SPLITS, Split, Target
from drkit.inference import Answers, in_batches, read_answers, run_network
from drkit.models.grader import Grader, build_grader, restore_grader
from drkit.records.atomic import check_writable
from drkit.records.checkpoint import CheckpointHeader, read_checkpoint
from drkit.records.labels import Labels
from drkit.records.layouts import read_dataset
from drkit.records.manifest import steps_to_apply
from drkit.records.predictions import Predictions, PredictionsMeta, build_predictions, write_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, find_run, read_run_record
from drkit.reporting import Table
from drkit.talk import track, warn
from drkit.training.runtime import keep_freed_memory, pick_device


@dataclass(frozen=True)
class PredictConfig:
    """What is graded.

    Args:
        data: A data set in any known layout, with or without grades.
        split: Only this one; None: all photographs.
        out: The predictions file; None: `predictions/<run>.parquet`.
        force: Overwrite it.
        device: `auto`, `cpu`, `cuda` or `mps`.
        workers: Threads that read photographs; None: one a core.
        cache_dir: Where photographs go that do not fit in memory; None: the user's cache.
    """

    data: Path
    split: Split | None = None
    out: Path | None = None
    force: bool = False
    device: str = "auto"
    workers: int | None = None
    cache_dir: Path | None = None


@dataclass(frozen=True)
class PredictReport:
    """What was graded.

    Args:
        run: That graded.
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
    run = find_run(run_path)
    out = config.out or Path("predictions") / f"{run.name}.parquet"
    check_writable(out, force=config.force)
    record, (tensors, header) = read_run_record(run), read_checkpoint(run.checkpoint)
    if record["files"].get(run.checkpoint.name) != sha256_file(run.checkpoint):
        raise InputError(f"{run.checkpoint} is not the file that {run.record} vouches for: restore it, or train again")
    labels = name_unknown_patients(_choose(read_dataset(config.data), config))
    grader = _rebuild(tensors, header, run)
    bank = build_bank(
        labels,
        header.bank_side,
        config.cache_dir or default_cache_dir(),
        workers=config.workers,
        steps=steps_to_apply(labels.root, header.steps),
    )
    keep_freed_memory()
    answers = _grade(grader, bank, header, pick_device(config.device))
    predictions = _assemble(labels, answers, header, run, _was_seen(labels, bank, record))
    write_predictions(predictions, out, force=config.force)
    return _report(predictions, run, out)


def _choose(labels: Labels, config: PredictConfig) -> Labels:
    chosen = labels.of_split(config.split) if config.split else labels
    if not len(chosen):
        raise InputError(f"{config.data} has no photographs of split {config.split}")
    return chosen


def _rebuild(tensors: dict[str, Tensor], header: CheckpointHeader, run: Run) -> Grader:
    grader = build_grader(
        header.backbone, header.side, num_outputs=header.num_outputs, dropout=header.dropout, pretrained=False
    )
    return restore_grader(grader, tensors, str(run.checkpoint))


def _grade(grader: Grader, bank: PhotographBank, header: CheckpointHeader, device: torch.device) -> Answers:
    wanted = InputFormat(header.side, header.mean, header.std)
    batches = list(in_batches(np.arange(len(bank))))
    images = (render(bank.pixels[rows], wanted, device) for rows in track(batches, "grading", len(batches)))
    logits = run_network(grader.to(device), images)
    return read_answers(LOSSES[header.loss].load()(), logits, header.sigma)


def _was_seen(labels: Labels, bank: PhotographBank, record: dict[str, Any]) -> np.ndarray:
    """(N,) whether the run was trained on the photograph, told by its content."""
    trained = set(record["trained_on_photographs"])
    seen = np.array([key in trained for key in bank.hashes])
    if seen.any():
        warn(f"the run was trained on {seen.sum()} of these photographs: their grades are no measure of it")
    return seen


def _assemble(labels: Labels, answers: Answers, header: CheckpointHeader, run: Run, seen: np.ndarray) -> Predictions:
    splits = labels.rows["split"]
    wholly = tuple(split for split in SPLITS if (splits == split).any() and seen[splits == split].all())
    partly = labels.rows["image_id"][seen & ~splits.isin(wholly).to_numpy()]
    meta = PredictionsMeta(
        target=header.target,
        unit=header.unit,
        decision=header.decision,
        cut_points=None,
        trained_on=wholly,
        trained_on_images=tuple(sorted(partly)),
        folds=0,
        chosen_on=header.chosen_on,
        model=header.backbone,
        checkpoint_sha256=sha256_file(run.checkpoint),
        labels_sha256=labels.sha256,
        provenance={"drkit_version": drkit.__version__, "parents": [header.provenance]},
    )
    return build_predictions(labels, probabilities=answers.probabilities, score=answers.score, meta=meta, name=run.name)


def _report(predictions: Predictions, run: Run, out: Path) -> PredictReport:
    rows = predictions.rows
    counts = rows["split"].value_counts()
    return PredictReport(
        run=run.stem,
        predictions=out,
        target=predictions.meta.target,
        photographs={split: int(counts[split]) for split in SPLITS if split in counts},
        grade_counts=tuple(int((rows["predicted_grade"] == grade).sum()) for grade in range(NUM_GRADES)),
        trained_on=int(predictions.leaked_rows().sum()),
    )
