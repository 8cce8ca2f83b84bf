"""The photographs to explain: graded if the run has not graded them yet, selected, and readable."""

from dataclasses import dataclass, replace
from pathlib import Path

from drkit.config.explain import ExplainConfig, SelectionCriteria
from drkit.data.unreadable import describe_unreadable, find_unreadable
from drkit.errors import InputError, UnreadablePhotographsError
from drkit.explaining.selection import (
    NO_REFERENCE,
    Selection,
    add_graded,
    find_candidates,
    find_ungraded,
    resolve_ids,
    select_photographs,
)
from drkit.explaining.units import ExplainedUnits, check_references, gather_units
from drkit.grading import grade_photographs, nothing_graded
from drkit.models.restoring import OpenedRun
from drkit.progress import notify, warn
from drkit.records.labels import Labels
from drkit.records.predictions import Predictions, read_predictions


@dataclass(frozen=True)
class ExplainInputs:
    """The photographs to explain, and the run's predictions of them.

    Args:
        predictions: The predictions of all photographs of the data set that the run has graded.
        selection: The selected photographs.
        explained: The units of the selected photographs.
        unreadable: Photographs that were skipped, with the reason, by id.
    """

    predictions: Predictions
    selection: Selection
    explained: ExplainedUnits
    unreadable: dict[str, str]


def prepare_inputs(opened: OpenedRun, labels: Labels, config: ExplainConfig, target_name: str) -> ExplainInputs:
    """Select the photographs to explain, and grade those that the run has not graded yet.

    Raises:
        UnreadablePhotographsError: photographs cannot be read, and `keep_going` is off or none is left.
        InputError: unknown ids, an empty split, or no reference grades where they are needed.
    """
    if config.predictions is None and opened.run.is_packaged:
        graded = nothing_graded(opened)  # the runs that come with drkit have no predictions
    else:
        graded = read_predictions(config.predictions or opened.run.stem)
    criteria = config.criteria
    if criteria.ids:
        criteria = replace(criteria, ids=resolve_ids(criteria.ids, labels, graded))
    graded = graded.where(graded.rows["image_id"].isin(labels.rows["image_id"]))
    try:
        predictions, unreadable = _grade_missing(opened, labels, graded, criteria, config, target_name)
        inputs = _select_readable(opened, labels, predictions, criteria, config, unreadable)
    except UnreadablePhotographsError as error:
        raise UnreadablePhotographsError(f"{error} (--keep-going skips them)") from None
    if target_name == "reference":
        check_references(inputs.explained)
    return inputs


def _grade_missing(
    opened: OpenedRun,
    labels: Labels,
    graded: Predictions,
    criteria: SelectionCriteria,
    config: ExplainConfig,
    target_name: str,
) -> tuple[Predictions, dict[str, str]]:
    """Grade the candidates that the run has not graded yet.

    Returns:
        All predictions, and the reasons why photographs cannot be read, by id.

    Raises:
        InputError: reference grades are needed, and none is known.
    """
    candidates = find_candidates(labels, graded, criteria, config.split)
    ungraded = find_ungraded(labels, graded, candidates, opened.header.architecture)
    if not len(ungraded):
        return graded, {}
    has_references = labels.grades(opened.header.target).notna().to_numpy()[candidates].any()
    if criteria.needs_references and not has_references:
        raise InputError(f"{labels.title} has no reference grades: {NO_REFERENCE}")
    if target_name == "reference" and not has_references:
        raise InputError(f"--target-grade reference: {labels.title} has no reference grades: choose another target")
    notify(f"grading {len(ungraded)} photograph{'s' * (len(ungraded) != 1)} that {opened.run.name} has not graded")
    fresh = grade_photographs(opened, ungraded, config.device, workers=config.workers, keep_going=config.keep_going)
    return add_graded(graded, fresh), dict(fresh.meta.provenance.get("unreadable", {}))


def _select_readable(
    opened: OpenedRun,
    labels: Labels,
    predictions: Predictions,
    criteria: SelectionCriteria,
    config: ExplainConfig,
    unreadable: dict[str, str],
) -> ExplainInputs:
    """Select photographs; with `keep_going`, select again until all of them can be read.

    Raises:
        UnreadablePhotographsError: some cannot be read, and `keep_going` is off.
        InputError: none can be read.
    """
    while True:
        labels = replace(labels, rows=labels.rows[~labels.rows["image_id"].isin(unreadable)].reset_index(drop=True))
        predictions = predictions.where(~predictions.rows["image_id"].isin(unreadable))
        ids = tuple(image_id for image_id in criteria.ids if image_id not in unreadable)
        if not len(labels) or (criteria.ids and not ids):
            raise InputError(f"none of the photographs can be read: {describe_unreadable(list(unreadable.values()))}")
        selection = select_photographs(predictions, replace(criteria, ids=ids), config.split)
        explained = gather_units(labels, predictions, selection, opened.header.architecture)
        rows = explained.photographs
        reasons = find_unreadable(map(Path, rows["path"]), config.workers)
        if not reasons:
            return ExplainInputs(predictions, selection, explained, unreadable)
        sentence = describe_unreadable(list(reasons.values()))
        if not config.keep_going:
            raise UnreadablePhotographsError(sentence)
        warn(f"skipping photographs that cannot be read: {sentence}")
        id_of = dict(zip(map(Path, rows["path"]), rows["image_id"], strict=True))
        unreadable = unreadable | {id_of[path]: reason for path, reason in reasons.items()}
