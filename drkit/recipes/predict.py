"""`drkit predict`: grade photographs with a trained run or an ensemble."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from drkit.auditing.quality import find_quality_warnings
from drkit.config.predict import PredictConfig
from drkit.config.shared import LOCAL, EngineOptions
from drkit.errors import InputError, UnreadablePhotographsError
from drkit.evaluation.referral import describe_rule, read_referral_threshold, refer
from drkit.grades import NUM_GRADES, SPLITS, Target
from drkit.grading import grade_photographs
from drkit.models.restoring import OpenedRun, open_run
from drkit.progress import warn
from drkit.records.atomic import check_writable, write_bytes
from drkit.records.ensembles import is_ensemble
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.records.prediction_table import write_table
from drkit.records.predictions import Predictions, read_predictions, write_predictions
from drkit.records.runs import find_run
from drkit.reporting import Table
from drkit.training.devices import pick_device

SEEN = "the network was trained on this photograph: its grade does not show how well others are graded"


@dataclass(frozen=True, kw_only=True)
class PredictReport:
    """The predictions that were written.

    Args:
        run: The run or ensemble that graded.
        predictions: The file that was written.
        target: Whose grade was predicted.
        photographs: Number of photographs by split.
        grade_counts: Number of photographs predicted as grade 0, 1, 2, 3 and 4.
        trained_on: Number of photographs that the run was trained on.
        unreadable: Photographs that were skipped, with the reason, by id.
        csv: The CSV; None if it was not asked for.
        page: The HTML page; None if it was not asked for.
        referable: Number of referable patients; None without CSV and page.
        warned: Number of photographs with quality warnings; None without CSV and page.
    """

    run: Path
    predictions: Path
    target: Target
    photographs: dict[str, int]
    grade_counts: tuple[int, ...]
    trained_on: int
    unreadable: dict[str, str]
    csv: Path | None = None
    page: Path | None = None
    referable: int | None = None
    warned: int | None = None

    def render(self) -> Iterator[str | Table]:
        """Return the number of photographs and the predicted grades."""
        counts = ", ".join(f"{count} {split}" for split, count in self.photographs.items())
        yield f"{self.run} graded {sum(self.photographs.values())} photographs ({counts}) for the {self.target}'s grade"
        yield Table("Predicted grades", [str(k) for k in range(NUM_GRADES)], [[str(n) for n in self.grade_counts]])
        if self.referable is not None:
            yield f"referable patients: {self.referable}; photographs with quality warnings: {self.warned}"
        yield "wrote " + ", ".join(str(path) for path in (self.predictions, self.csv, self.page) if path)


def run_predict(run_path: Path, config: PredictConfig, engine: EngineOptions = LOCAL) -> PredictReport:
    """Grade a data set's photographs with a finished run or an ensemble, and write the predictions.

    Raises:
        InputError: no such run, no such data set, photographs that cannot be read, or a cluster that cannot be used.
        OutputExistsError: the predictions file exists already.
    """
    stem = run_path.with_suffix("") if is_ensemble(run_path) else find_run(run_path).title
    out = config.out or Path("predictions") / f"{stem.name}.parquet"
    for path in (out, config.csv, config.report):
        if path is not None:
            check_writable(path, force=config.force)
    opened = None if is_ensemble(run_path) else open_run(run_path)
    labels = _select(config)
    try:
        if opened is None:
            predictions = _grade_with_ensemble(run_path, labels, config, engine)
        else:
            predictions = _grade_with_run(opened, labels, config, engine)
    except UnreadablePhotographsError as error:
        raise UnreadablePhotographsError(f"{error} (--keep-going skips them)") from None
    write_predictions(predictions, out, force=config.force)
    counts, grades = predictions.rows["split"].value_counts(), predictions.rows["predicted_grade"]
    report = PredictReport(
        run=stem,
        predictions=out,
        target=predictions.meta.target,
        photographs={split: int(counts[split]) for split in SPLITS if split in counts},
        grade_counts=tuple(int((grades == grade).sum()) for grade in range(NUM_GRADES)),
        trained_on=int(predictions.leaked_rows().sum()),
        unreadable=predictions.meta.provenance.get("unreadable", {}),
    )
    if config.csv or config.report:
        return _write_for_people(report, opened, labels, predictions, config, engine)
    return report


def _select(config: PredictConfig) -> Labels:
    """Select the photographs to grade.

    Raises:
        InputError: no such data set, or no photographs of the split.
    """
    labels = read_datasets(config.data)
    selected = labels.of_split(config.split) if config.split else labels
    if not len(selected):
        raise InputError(f"{labels.title} has no photographs of split {config.split}")
    return selected


def _grade_with_ensemble(path: Path, labels: Labels, config: PredictConfig, engine: EngineOptions) -> Predictions:
    """Grade photographs with each member of an ensemble, and combine the predictions."""
    from drkit.ensembling.prediction import predict_ensemble  # with scipy and scikit-learn, which a run does not need
    from drkit.ensembling.serialization import read_ensemble

    def grade_member(member: Path) -> Predictions:
        has_embeddings = read_predictions(member).embeddings() is not None  # the ensemble may be fitted to them
        of_member = replace(config, embeddings=has_embeddings)
        if is_ensemble(member):
            return _grade_with_ensemble(member, labels, of_member, engine)
        return _grade_with_run(open_run(member), labels, of_member, engine)

    return predict_ensemble(read_ensemble(path), grade_member)


def _grade_with_run(opened: OpenedRun, labels: Labels, config: PredictConfig, engine: EngineOptions) -> Predictions:
    """Grade photographs with the mean of a run's networks; warns of photographs that the run was trained on."""
    predictions = grade_photographs(
        opened,
        labels,
        config.device,
        precision=config.precision,
        workers=config.workers,
        scheduler=engine.scheduler,
        embeddings=config.embeddings,
        keep_going=config.keep_going,
    )
    if num_trained_on := int(predictions.leaked_rows().sum()):
        warn(f"the run was trained on {num_trained_on} of these photographs: do not evaluate it on them")
    return predictions


def _write_for_people(
    report: PredictReport,
    opened: OpenedRun | None,
    labels: Labels,
    predictions: Predictions,
    config: PredictConfig,
    engine: EngineOptions,
) -> PredictReport:
    """Write the CSV and the HTML page, with grades, referral and quality warnings; the maps need an opened run."""
    rows = labels.rows.set_index("image_id").loc[predictions.rows["image_id"]].reset_index()
    graded = replace(labels, rows=rows)
    record, source = ({}, report.run) if opened is None else (opened.record, opened.run.record)
    is_referable = refer(predictions, read_referral_threshold(record, source))
    quality = find_quality_warnings(graded.paths(), config.workers, engine.scheduler)
    leaked = predictions.leaked_rows().tolist()
    warnings = [(*each, SEEN) if seen else each for each, seen in zip(quality, leaked, strict=True)]
    if config.csv:
        write_table(predictions, is_referable, warnings, config.csv, force=config.force)
    if config.report:
        from drkit.explaining.explanation import paint_overlays  # with matplotlib and jinja2, which only the page needs
        from drkit.plotting.report.patients import embed_overlay, gather_patients, render_patients

        device = pick_device(config.device)
        painted = [] if opened is None else paint_overlays(opened, graded, predictions, device, config.workers)
        overlays = {each.image_id: embed_overlay(each) for each in painted}
        patients = gather_patients(predictions, is_referable, warnings, overlays)
        page = render_patients(patients, report.run.name, describe_rule(record, source))
        write_bytes(config.report, page.encode(), force=config.force)
    return replace(
        report,
        csv=config.csv,
        page=config.report,
        referable=len(set(predictions.patients()[is_referable])),
        warned=sum(map(bool, quality)),
    )
