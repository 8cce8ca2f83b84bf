"""`explain`: attribution maps for and against a grade, and how faithful they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drkit.batching import map_batches
from drkit.catalogue import EXPLAINERS, find
from drkit.data.unreadable import describe_unreadable, find_unreadable
from drkit.ensembling.serialization import is_ensemble
from drkit.errors import InputError, OutputExistsError, UnreadablePhotographsError, UsageError, first_few
from drkit.explaining.batch import BatchAttribution, ExplainSetup, check_target, default_target, explain_batch
from drkit.explaining.faithfulness import FaithfulnessEvaluator
from drkit.explaining.lesions import choose_lesions, find_masks
from drkit.explaining.metrics import HOW_TO_READ, ExplanationMetrics, Means, faithfulness_table, lesion_table
from drkit.explaining.photographs import View, read_views
from drkit.explaining.pictures import ROWS_A_SHEET
from drkit.explaining.selection import (
    NO_REFERENCE,
    Selection,
    SelectionCriteria,
    add_graded,
    find_candidates,
    find_ungraded,
    resolve_ids,
    select_photographs,
)
from drkit.explaining.units import ExplainBatch, ExplainedUnits, check_references, gather_units
from drkit.explaining.writing import MOST_SHEETS, Writer, name_files
from drkit.grades import Split
from drkit.grading import grade_photographs, nothing_graded
from drkit.models.restoring import OpenedRun, open_run
from drkit.progress import notify, track, warn
from drkit.records.atomic import check_name, check_writable
from drkit.records.explanations import MANIFEST, Explanations, write_explanations
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.records.manifest import steps_to_apply
from drkit.records.predictions import Predictions, read_predictions
from drkit.records.provenance import sha256_file
from drkit.reporting import Table
from drkit.training.runtime import keep_freed_memory, pick_device

SAME_SCORE = 0.25  # grades: what rounding on another device may change, and less than other photographs would


@dataclass(frozen=True)
class ExplainConfig:
    """What is explained.

    Args:
        data: The data sets, in any known layout.
        methods: Names in the catalogue, at least one.
        criteria: Which photographs.
        split: Only photographs of this split; None: val where there is one.
        target_grade: predicted, reference, score, or a grade 0-4; None: predicted for a classifier, else score.
        layer: Name of the module whose map is taken; None: the backbone's last.
        fold: Only this fold's network; None: those not trained on the photograph, their maps averaged.
        network_seed: Only the networks trained with this seed; None: those of all seeds, their maps averaged.
        faithfulness: Measure faithfulness.
        lesions: Folder of masks.
        lesion_kinds: Words in the names of the kinds of mask that count among all lesions; see `choose_lesions`.
        predictions: What the run has graded; None: the run's own predictions. Other photographs it grades now.
        out: Folder; None: `explanations/<run>-<method>`. With several methods each has a folder in it.
        force: Overwrite what is there.
        device: `auto`, `cpu`, `cuda` or `mps`.
        workers: Threads that read photographs; None: one a core.
        seed: Of the noise and the random weights that faithfulness is measured with.
        keep_going: Explain others where photographs cannot be read.
    """

    data: Sequence[Path]
    methods: tuple[str, ...] = ("gradcam",)
    criteria: SelectionCriteria = field(default_factory=SelectionCriteria)
    split: Split | None = None
    target_grade: str | None = None
    layer: str | None = None
    fold: int | None = None
    network_seed: int | None = None
    faithfulness: bool = False
    lesions: Path | None = None
    lesion_kinds: tuple[str, ...] = ()
    predictions: Path | None = None
    out: Path | None = None
    force: bool = False
    device: str = "auto"
    workers: int | None = None
    seed: int = 0
    keep_going: bool = False

    def __post_init__(self) -> None:
        """Refuse names that do not exist.

        Raises:
            UsageError: no method, an unknown one, or an unknown target.
        """
        if not self.methods:
            raise UsageError(f"--method: expected one or more of {', '.join(EXPLAINERS)}")
        for method in self.methods:
            find(EXPLAINERS, "method", method)
        if self.target_grade is not None:
            check_target(self.target_grade)


@dataclass(frozen=True)
class ExplainReport:
    """What was explained.

    Args:
        run: Its name.
        asked: predicted, reference, score, or a grade.
        photographs: How many.
        reason: Why these.
        folders: Where the pictures lie, by method.
        alarms: Photographs whose evidence is denser outside the fundus disc than inside, by method.
        faithfulness: Means by method; empty where it was not measured.
        lesions: Means by method and kind of lesion; empty without masks.
        unreadable: Why photographs were left out that cannot be read, by id.
    """

    run: str
    asked: str
    photographs: int
    reason: str
    folders: dict[str, Path]
    alarms: dict[str, tuple[str, ...]]
    faithfulness: dict[str, Means]
    lesions: dict[str, dict[str, Means]]
    unreadable: dict[str, str]

    def render(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        photographs = f"{self.photographs} photograph{'s' * (self.photographs != 1)}"
        yield f"{self.run}: {photographs} explained ({self.reason}); asked: {self.asked}"
        if self.faithfulness:
            yield faithfulness_table(self.faithfulness)
            yield HOW_TO_READ
        if self.lesions:
            yield lesion_table(self.lesions)
        for method, names in self.alarms.items():
            if names:
                yield (
                    f"shortcut? {method}: in {len(names)} of {self.photographs} photographs the evidence is denser"
                    f" outside the fundus disc than inside: {first_few(names)}"
                )
        for folder in self.folders.values():
            yield f"wrote {folder}"


def run_explain(run_path: Path, config: ExplainConfig) -> ExplainReport:
    """Explain photographs with a finished run, which grades those first that it has not graded yet.

    Raises:
        InputError: no such run, data set, photograph, reference grade or mask.
        UsageError: an ensemble, or a layer, a fold or a seed that the run does not have.
        OutputExistsError: a folder is there already.
    """
    if is_ensemble(run_path):
        raise UsageError(f"{run_path} is an ensemble, which has no maps of its own: explain its members, one by one")
    opened = open_run(run_path, config.fold, config.network_seed)
    folders = {method: _folder(opened, method, config) for method in config.methods}
    for folder in folders.values():
        _check_folder(folder, force=config.force)
    labels, device = read_datasets(config.data), pick_device(config.device)
    target_name = config.target_grade or default_target(opened.header.decision)
    config = _with_known_ids(opened, labels, config)
    try:
        predictions, unreadable = _grade_candidates(opened, labels, config, device, target_name)
        chosen = _select_readable(opened, labels, predictions, config, unreadable)
    except UnreadablePhotographsError as error:
        raise UnreadablePhotographsError(f"{error} (--keep-going explains others)") from None
    predictions, selection, explained = chosen
    if target_name == "reference":
        check_references(explained)
    _report_selection(predictions, selection, explained, config.fold)
    keep_freed_memory()
    evaluator = FaithfulnessEvaluator(config.seed) if config.faithfulness else None
    explanations = {
        method: _explain(
            ExplainSetup(opened, explained, method, target_name, config.layer, evaluator, device),
            selection,
            folder,
            config,
            unreadable,
        )
        for method, folder in folders.items()
    }
    _warn_of_namesakes(next(iter(explanations.values())), explained, opened, config)
    return _report(explanations, folders, explained)


def _with_known_ids(opened: OpenedRun, labels: Labels, config: ExplainConfig) -> ExplainConfig:
    """Ids as the data set spells them."""
    if not config.criteria.ids:
        return config
    graded = _read_graded(opened, config)
    ids = resolve_ids(config.criteria.ids, labels, graded)
    return replace(config, criteria=replace(config.criteria, ids=ids))


def _read_graded(opened: OpenedRun, config: ExplainConfig) -> Predictions:
    """What the run has graded; one that comes with drkit comes without predictions."""
    if config.predictions is None and opened.run.is_packaged:
        return nothing_graded(opened)
    return read_predictions(config.predictions or opened.run.stem)


def _grade_candidates(
    opened: OpenedRun, labels: Labels, config: ExplainConfig, device: torch.device, target_name: str
) -> tuple[Predictions, dict[str, str]]:
    """What the run has graded of a data set, and what it had not and may be picked, graded now; and what is unreadable.

    Raises:
        InputError: reference grades are needed, and none is known.
    """
    graded = _read_graded(opened, config)
    graded = graded.where(graded.rows["image_id"].isin(labels.rows["image_id"]))
    candidates = find_candidates(labels, graded, config.criteria, config.split)
    ungraded = find_ungraded(labels, graded, candidates, opened.header.architecture)
    if not len(ungraded):
        return graded, {}
    is_known = labels.grades(opened.header.target).notna().to_numpy()
    if config.criteria.needs_references and not is_known[candidates].any():
        raise InputError(f"{labels.title}: no reference grade is known: {NO_REFERENCE}")
    if target_name == "reference" and not is_known[candidates].any():
        raise InputError(f"--target-grade reference: {labels.title} has no reference grades: ask for another")
    notify(f"grading {len(ungraded)} photograph{'s' * (len(ungraded) != 1)} that {opened.run.name} has not graded")
    fresh = grade_photographs(opened, ungraded, device, workers=config.workers, keep_going=config.keep_going)
    return add_graded(graded, fresh), dict(fresh.meta.provenance.get("unreadable", {}))


def _select_readable(
    opened: OpenedRun,
    labels: Labels,
    predictions: Predictions,
    config: ExplainConfig,
    unreadable: dict[str, str],
) -> tuple[Predictions, Selection, ExplainedUnits]:
    """Select photographs; with `keep_going` again, until all of them can be read.

    Args:
        opened: The run.
        labels: The data set.
        predictions: What the run has graded of it.
        config: Says what to select.
        unreadable: Why photographs are left out, by id; more may be added here.

    Raises:
        UnreadablePhotographsError: some cannot be read, and are not to be left out, or none is left.
    """
    while True:
        labels = replace(labels, rows=labels.rows[~labels.rows["image_id"].isin(unreadable)].reset_index(drop=True))
        predictions = predictions.where(~predictions.rows["image_id"].isin(unreadable))
        ids = tuple(image_id for image_id in config.criteria.ids if image_id not in unreadable)
        if not len(labels) or (config.criteria.ids and not ids):
            raise InputError(f"none of the photographs can be read: {describe_unreadable(list(unreadable.values()))}")
        selection = select_photographs(predictions, replace(config.criteria, ids=ids), config.split)
        explained = gather_units(labels, predictions, selection, opened.header.architecture)
        rows = explained.photographs
        reasons = find_unreadable(map(Path, rows["path"]), config.workers)
        if not reasons:
            return predictions, selection, explained
        sentence = describe_unreadable(list(reasons.values()))
        if not config.keep_going:
            raise UnreadablePhotographsError(sentence)
        warn(f"photographs that cannot be read are left out: {sentence}")
        of_path = dict(zip(map(Path, rows["path"]), rows["image_id"], strict=True))
        unreadable |= {of_path[path]: why for path, why in reasons.items()}


def _explain(
    setup: ExplainSetup, selection: Selection, folder: Path, config: ExplainConfig, unreadable: dict[str, str]
) -> Explanations:
    """Explain all photographs by one method, and write the folder."""
    explained, header = setup.explained, setup.opened.header
    steps = steps_to_apply(explained.roots, header.steps, header.plugins)
    masks = find_masks(config.lesions, explained.photographs["image_id"].tolist(), steps) if config.lesions else {}
    metrics = ExplanationMetrics(masks, choose_lesions(masks, config.lesion_kinds))
    writer = Writer(setup, folder, config.force, name_files(explained.rows["image_id"].tolist()))
    for batch in track(explained.batches(), f"explaining by {setup.method}", explained.num_batches):
        rows = explained.rows.iloc[batch.units.rows]
        paths = [Path(path) for path in rows["path"]]
        views = read_views(paths, header.bank_side, steps, config.workers, round_discs=header.round_discs)
        for result, own_views in _explain_halving(setup, batch, views):
            metrics.update(result, own_views, explained.rows.iloc[result.rows])
            writer.add(result, own_views)
    writer.finish()
    explanations = replace(_manifest(setup, selection, writer, metrics), unreadable=unreadable)
    write_explanations(explanations, folder, force=config.force)
    return explanations


def _explain_halving(
    setup: ExplainSetup, batch: ExplainBatch, views: Sequence[View]
) -> Iterator[tuple[BatchAttribution, Sequence[View]]]:
    """The attribution of a batch and its views, in parts where memory runs out."""
    view_of = dict(zip(batch.units.rows.tolist(), views, strict=True))

    def explain(numbers: NDArray[np.int64]) -> tuple[BatchAttribution, Sequence[View]]:
        part = setup.explained.batch(numbers, batch.fold)
        own_views = [view_of[row] for row in part.units.rows.tolist()]
        return explain_batch(setup, part, own_views), own_views

    return (result for _, result in map_batches(explain, batch.numbers, len(batch.numbers)))


def _manifest(setup: ExplainSetup, selection: Selection, writer: Writer, metrics: ExplanationMetrics) -> Explanations:
    opened, (speaks_for, speaks_against) = setup.opened, setup.meanings
    return Explanations(
        run=opened.run.name,
        checkpoints={path.name: sha256_file(path) for path in opened.checkpoints},
        method=setup.method,
        layer=setup.layer,
        target=opened.header.target,
        asked=setup.target_name,
        unit=opened.header.architecture.unit,
        reason=selection.reason,
        speaks_for=speaks_for,
        speaks_against=speaks_against,
        sheets=tuple(writer.sheets),
        photographs=tuple(writer.photographs),
        faithfulness=metrics.compute_faithfulness(),
        lesions=metrics.compute_lesions(),
    )


def _warn_of_namesakes(
    explanations: Explanations, explained: ExplainedUnits, opened: OpenedRun, config: ExplainConfig
) -> None:
    """Warn of photographs whose scores differ from those that the run gave photographs of the same names."""
    if opened.header.tta or config.fold is not None or config.network_seed is not None:
        return  # other views or networks than graded them
    earlier = explained.rows.set_index("image_id")["score"]
    changed = [row.image_id for row in explanations.photographs if abs(row.score - earlier[row.image_id]) > SAME_SCORE]
    if changed:
        warn(
            f"the scores of {first_few(changed)} are not those in the run's predictions: if they are other photographs"
            " of the same names, grade them with drkit predict and name the file with --predictions"
        )


def _report(
    explanations: Mapping[str, Explanations], folders: Mapping[str, Path], explained: ExplainedUnits
) -> ExplainReport:
    first = next(iter(explanations.values()))
    alarms = {
        method: tuple(row.image_id for row in each.photographs if row.alarm) for method, each in explanations.items()
    }
    return ExplainReport(
        run=first.run,
        asked=first.asked,
        photographs=explained.num_photographs,
        reason=first.reason,
        folders=dict(folders),
        alarms=alarms,
        faithfulness={method: each.faithfulness for method, each in explanations.items() if each.faithfulness},
        lesions={method: each.lesions for method, each in explanations.items() if each.lesions},
        unreadable=first.unreadable,
    )


def _folder(opened: OpenedRun, method: str, config: ExplainConfig) -> Path:
    if config.out is None:
        return Path("explanations") / f"{opened.run.name}-{method}"
    return config.out if len(config.methods) == 1 else config.out / method


def _check_folder(folder: Path, *, force: bool) -> None:
    """Check before any work that the folder can be written."""
    check_name(folder)
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise OutputExistsError(f"{folder} is there already: choose another --out, or overwrite it with --force")
    check_writable(folder / MANIFEST, force=force)


def _report_selection(
    predictions: Predictions, selection: Selection, explained: ExplainedUnits, fold: int | None
) -> None:
    chosen = predictions.rows["image_id"].isin(selection.image_ids).to_numpy(dtype=bool)
    num_leaked = int((predictions.leaked_rows() & chosen).sum())
    if num_leaked:
        learned = "their maps show what it learned, not how it generalises"
        warn(f"the run was trained on {num_leaked} of these photographs: {learned}")
    if fold is not None and (num_others := _num_of_other_folds(explained, fold)):
        warn(f"fold {fold} was trained on {num_others} of these photographs: leave --fold out to ask the others")
    more = explained.num_photographs - len(selection.image_ids)
    together = f", and {more} of the same {explained.units.kind}s" if more else ""
    num = len(selection.image_ids)
    notify(f"explaining {num} photograph{'s' if num != 1 else ''}{together}: {selection.reason}")
    most = MOST_SHEETS * ROWS_A_SHEET
    if explained.num_photographs > most:
        notify(f"sheets show the first {most} photographs; each has its own picture")


def _num_of_other_folds(explained: ExplainedUnits, fold: int) -> int:
    """How many selected photographs another fold held out, so that this one was trained on them."""
    folds = explained.rows["fold"]
    return int((explained.rows["picked"] & (folds != fold).fillna(False)).sum())
