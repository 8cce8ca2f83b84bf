"""`explain`: where the evidence for and against a grade lies, and what that is worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from drkit.catalogue import EXPLAINERS, FILTERS, find
from drkit.data.unreadable import describe_unreadable, find_unreadable
from drkit.ensembling.serialization import is_ensemble
from drkit.errors import InputError, OutputExistsError, UnreadablePhotographsError, UsageError, first_few
from drkit.explaining.candidates import add_graded, find_candidates, find_ungraded, resolve_ids
from drkit.explaining.cohort import Cohort, check_references, gather_cohort
from drkit.explaining.examining import Prover
from drkit.explaining.ledger import Ledger
from drkit.explaining.lesions import choose_lesions, find_masks
from drkit.explaining.photographs import read_views
from drkit.explaining.picking import NO_REFERENCE, Interest, Picked, pick_photographs
from drkit.explaining.session import Session, check_asked, default_question, examine
from drkit.explaining.sheets import ROWS_A_SHEET
from drkit.explaining.tables import HOW_TO_READ, Means, lesion_table, proof_table
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
        interest: Which photographs are telling.
        split: Only of this one; None: val where there is one.
        target_grade: predicted, reference, score, or a grade 0-4; None: predicted for a classifier, else score.
        layer: Whose map is looked at; None: the backbone's last.
        fold: Ask only this fold's network; None: those that did not see the photograph, their maps averaged.
        network_seed: Ask only the networks trained with this seed; None: those of all, their maps averaged.
        faithfulness: Put the evidence to the proof.
        lesions: Folder of masks.
        lesion_kinds: Words in the names of the kinds of mask that count among all lesions; see `choose_lesions`.
        predictions: What the run has graded; None: the run's own predictions. Other photographs it grades now.
        out: Folder; None: `explanations/<run>-<method>`. With several methods each has a folder in it.
        force: Overwrite what is there.
        device: `auto`, `cpu`, `cuda` or `mps`.
        workers: Threads that read photographs; None: one a core.
        seed: Of the proof.
        keep_going: Explain others where photographs cannot be read.
    """

    data: Sequence[Path]
    methods: tuple[str, ...] = ("gradcam",)
    interest: Interest = field(default_factory=Interest)
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
            check_asked(self.target_grade)


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
        faithfulness: Figures of the proof, by method; empty where none was asked for.
        lesions: Figures of the lesions' masks, by method and kind; empty where none were given.
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
            yield proof_table(self.faithfulness)
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
    asked = config.target_grade or default_question(opened.header.decision)
    config = _with_known_ids(opened, labels, config)
    try:
        predictions, unreadable = _grade_candidates(opened, labels, config, device, asked)
        chosen = _choose_readable(opened, labels, predictions, config, unreadable)
    except UnreadablePhotographsError as error:
        raise UnreadablePhotographsError(f"{error} (--keep-going explains others)") from None
    predictions, picked, cohort = chosen
    if asked == "reference":
        check_references(cohort)
    _say_what(predictions, picked, cohort, config.fold)
    keep_freed_memory()
    prover = Prover(config.seed) if config.faithfulness else None
    found = {
        method: _explain(
            Session(opened, cohort, method, asked, config.layer, prover, device),
            picked,
            folder,
            config,
            unreadable,
        )
        for method, folder in folders.items()
    }
    _warn_of_namesakes(next(iter(found.values())), cohort, opened, config)
    return _report(found, folders, cohort)


def _with_known_ids(opened: OpenedRun, labels: Labels, config: ExplainConfig) -> ExplainConfig:
    """Ids as the data set spells them."""
    if not config.interest.ids:
        return config
    graded = _read_graded(opened, config)
    ids = resolve_ids(config.interest.ids, labels, graded)
    return replace(config, interest=replace(config.interest, ids=ids))


def _read_graded(opened: OpenedRun, config: ExplainConfig) -> Predictions:
    """What the run has graded; one that comes with drkit comes without predictions."""
    if config.predictions is None and opened.run.is_packaged:
        return nothing_graded(opened)
    return read_predictions(config.predictions or opened.run.stem)


def _grade_candidates(
    opened: OpenedRun, labels: Labels, config: ExplainConfig, device: torch.device, asked: str
) -> tuple[Predictions, dict[str, str]]:
    """What the run has graded of a data set, and what it had not and may be picked, graded now; and what is unreadable.

    Raises:
        InputError: reference grades are needed, and none is known.
    """
    graded = _read_graded(opened, config)
    graded = graded.where(graded.rows["image_id"].isin(labels.rows["image_id"]))
    candidates = find_candidates(labels, graded, config.interest, config.split)
    ungraded = find_ungraded(labels, graded, candidates, opened.header.architecture)
    if not len(ungraded):
        return graded, {}
    is_known = labels.grades(opened.header.target).notna().to_numpy()
    if config.interest.needs_references and not is_known[candidates].any():
        raise InputError(f"{labels.title}: no reference grade is known: {NO_REFERENCE}")
    if asked == "reference" and not is_known[candidates].any():
        raise InputError(f"--target-grade reference: {labels.title} has no reference grades: ask for another")
    notify(f"grading {len(ungraded)} photograph{'s' * (len(ungraded) != 1)} that {opened.run.name} has not graded")
    fresh = grade_photographs(opened, ungraded, device, workers=config.workers, keep_going=config.keep_going)
    return add_graded(graded, fresh), dict(fresh.meta.provenance.get("unreadable", {}))


def _choose_readable(
    opened: OpenedRun,
    labels: Labels,
    predictions: Predictions,
    config: ExplainConfig,
    unreadable: dict[str, str],
) -> tuple[Predictions, Picked, Cohort]:
    """Pick photographs; with `keep_going` again, until all of them can be read.

    Args:
        opened: The run.
        labels: The data set.
        predictions: What the run has graded of it.
        config: What is to be picked.
        unreadable: Why photographs are left out, by id; those that are found here are added.

    Raises:
        UnreadablePhotographsError: some cannot be read, and are not to be left out, or none is left.
    """
    while True:
        labels = replace(labels, rows=labels.rows[~labels.rows["image_id"].isin(unreadable)].reset_index(drop=True))
        predictions = predictions.where(~predictions.rows["image_id"].isin(unreadable))
        ids = tuple(image_id for image_id in config.interest.ids if image_id not in unreadable)
        if not len(labels) or (config.interest.ids and not ids):
            raise InputError(f"none of the photographs can be read: {describe_unreadable(list(unreadable.values()))}")
        picked = pick_photographs(predictions, replace(config.interest, ids=ids), config.split)
        cohort = gather_cohort(labels, predictions, picked, opened.header.architecture)
        rows = cohort.explained
        reasons = find_unreadable(map(Path, rows["path"]), config.workers)
        if not reasons:
            return predictions, picked, cohort
        told = describe_unreadable(list(reasons.values()))
        if not config.keep_going:
            raise UnreadablePhotographsError(told)
        warn(f"photographs that cannot be read are left out: {told}")
        of_path = dict(zip(map(Path, rows["path"]), rows["image_id"], strict=True))
        unreadable |= {of_path[path]: why for path, why in reasons.items()}


def _explain(
    session: Session, picked: Picked, folder: Path, config: ExplainConfig, unreadable: dict[str, str]
) -> Explanations:
    """One method on all photographs, in batches."""
    cohort, header = session.cohort, session.opened.header
    steps = steps_to_apply(cohort.roots, header.steps)
    masks = _masks(config.lesions, cohort, steps)
    ledger = Ledger(masks, choose_lesions(masks, config.lesion_kinds))
    writer = Writer(session, folder, config.force, name_files(cohort.rows["image_id"].tolist()))
    for part in track(cohort.parts(), f"explaining by {session.method}", cohort.num_parts):
        rows = cohort.rows.iloc[part.batch.rows]
        paths = [Path(path) for path in rows["path"]]
        views = read_views(paths, header.bank_side, steps, config.workers, round_discs=header.round_discs)
        findings = examine(session, part, views)
        ledger.add(findings, views, rows)
        writer.add(findings, views)
    writer.finish()
    explanations = replace(_manifest(session, picked, writer, ledger), unreadable=unreadable)
    write_explanations(explanations, folder, force=config.force)
    return explanations


def _manifest(session: Session, picked: Picked, writer: Writer, ledger: Ledger) -> Explanations:
    opened, (speaks_for, speaks_against) = session.opened, session.speaks
    return Explanations(
        run=opened.run.name,
        checkpoints={path.name: sha256_file(path) for path in opened.checkpoints},
        method=session.method,
        layer=session.layer,
        target=opened.header.target,
        asked=session.asked,
        unit=opened.header.architecture.unit,
        reason=picked.reason,
        speaks_for=speaks_for,
        speaks_against=speaks_against,
        sheets=tuple(writer.sheets),
        photographs=tuple(writer.photographs),
        faithfulness=ledger.proof(),
        lesions=ledger.lesions(),
    )


def _warn_of_namesakes(explanations: Explanations, cohort: Cohort, opened: OpenedRun, config: ExplainConfig) -> None:
    """Warn of photographs whose scores differ from those that the run gave photographs of the same names."""
    if opened.header.tta or config.fold is not None or config.network_seed is not None:
        return  # other views or networks than graded them
    earlier = cohort.rows.set_index("image_id")["score"]
    changed = [row.image_id for row in explanations.photographs if abs(row.score - earlier[row.image_id]) > SAME_SCORE]
    if changed:
        warn(
            f"the scores of {first_few(changed)} are not those in the run's predictions: if they are other photographs"
            " of the same names, grade them with drkit predict and name the file with --predictions"
        )


def _report(found: Mapping[str, Explanations], folders: Mapping[str, Path], cohort: Cohort) -> ExplainReport:
    first = next(iter(found.values()))
    alarms = {method: tuple(row.image_id for row in each.photographs if row.alarm) for method, each in found.items()}
    return ExplainReport(
        run=first.run,
        asked=first.asked,
        photographs=cohort.num_photographs,
        reason=first.reason,
        folders=dict(folders),
        alarms=alarms,
        faithfulness={method: each.faithfulness for method, each in found.items() if each.faithfulness},
        lesions={method: each.lesions for method, each in found.items() if each.lesions},
        unreadable=first.unreadable,
    )


def _folder(opened: OpenedRun, method: str, config: ExplainConfig) -> Path:
    if config.out is None:
        return Path("explanations") / f"{opened.run.name}-{method}"
    return config.out if len(config.methods) == 1 else config.out / method


def _check_folder(folder: Path, *, force: bool) -> None:
    """Refuse early what would be refused late."""
    check_name(folder)
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise OutputExistsError(f"{folder} is there already: choose another --out, or overwrite it with --force")
    check_writable(folder / MANIFEST, force=force)


def _masks(folder: Path | None, cohort: Cohort, steps: Sequence[str]) -> dict[str, dict[str, list[Path]]]:
    """Masks of the explained photographs.

    Raises:
        UsageError: the run cuts its photographs in a way that masks cannot follow.
    """
    if folder is None:
        return {}
    cutting = [step for step in steps if FILTERS[step.partition(":")[0]].changes_frame]
    if cutting:
        raise UsageError(
            f"--lesions: the run still has to cut these photographs ({', '.join(cutting)}), and masks cannot follow:"
            " preprocess photographs and masks alike, and explain those"
        )
    return find_masks(folder, cohort.explained["image_id"].tolist())


def _say_what(predictions: Predictions, picked: Picked, cohort: Cohort, fold: int | None) -> None:
    chosen = predictions.rows["image_id"].isin(picked.image_ids).to_numpy(dtype=bool)
    seen = int((predictions.leaked_rows() & chosen).sum())
    if seen:
        warn(f"the run was trained on {seen} of these photographs: that shows what it learned, not how it generalises")
    if fold is not None and (others := _num_seen_by(cohort, fold)):
        warn(f"fold {fold} was trained on {others} of these photographs: leave --fold out to ask those that were not")
    more = cohort.num_photographs - len(picked.image_ids)
    together = f", and {more} of the same {cohort.units.kind}s" if more else ""
    num = len(picked.image_ids)
    notify(f"explaining {num} photograph{'s' if num != 1 else ''}{together}: {picked.reason}")
    most = MOST_SHEETS * ROWS_A_SHEET
    if cohort.num_photographs > most:
        notify(f"sheets show the first {most} photographs; each has its own picture")


def _num_seen_by(cohort: Cohort, fold: int) -> int:
    """How many picked photographs another fold held out, so that this one has seen them."""
    folds = cohort.rows["fold"]
    return int((cohort.rows["picked"] & (folds != fold).fillna(False)).sum())
