"""`predict`: a trained run grades photographs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drkit.ensembling.prediction import predict_ensemble
from drkit.ensembling.serialization import is_ensemble, read_ensemble
from drkit.errors import InputError, UnreadablePhotographsError
from drkit.grades import NUM_GRADES, SPLITS, Split, Target
from drkit.grading import grade_photographs
from drkit.models.restoring import OpenedRun, open_run
from drkit.progress import warn
from drkit.records.atomic import check_writable
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.records.predictions import Predictions, read_predictions, write_predictions
from drkit.records.runs import find_run
from drkit.reporting import Table
from drkit.training.runtime import pick_device


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
        keep_going: Grade the others where photographs cannot be read.
    """

    data: Sequence[Path]
    split: Split | None = None
    out: Path | None = None
    force: bool = False
    device: str = "auto"
    workers: int | None = None
    cache_dir: Path | None = None
    embeddings: bool = False
    keep_going: bool = False


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
        unreadable: Why photographs were left out, by id.
    """

    run: Path
    predictions: Path
    target: Target
    photographs: dict[str, int]
    grade_counts: tuple[int, ...]
    trained_on: int
    unreadable: dict[str, str]

    def render(self) -> Iterator[str | Table]:
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
    stem = run_path.with_suffix("") if is_ensemble(run_path) else find_run(run_path).title
    out = config.out or Path("predictions") / f"{stem.name}.parquet"
    check_writable(out, force=config.force)
    try:
        predictions = grade_with(run_path, config)
    except UnreadablePhotographsError as error:
        raise UnreadablePhotographsError(f"{error} (--keep-going grades the others)") from None
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
    predictions = grade_photographs(
        opened,
        _choose(read_datasets(config.data), config),
        pick_device(config.device),
        workers=config.workers,
        cache_dir=config.cache_dir,
        embeddings=config.embeddings,
        keep_going=config.keep_going,
    )
    if num_seen := int(predictions.leaked_rows().sum()):
        warn(f"the run was trained on {num_seen} of these photographs: do not evaluate it on them")
    return predictions


def _choose(labels: Labels, config: PredictConfig) -> Labels:
    chosen = labels.of_split(config.split) if config.split else labels
    if not len(chosen):
        raise InputError(f"{labels.title} has no photographs of split {config.split}")
    return chosen


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
        unreadable=predictions.meta.provenance.get("unreadable", {}),
    )
