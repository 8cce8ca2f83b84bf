"""`drkit explain`: maps of the evidence for and against a grade, and how faithful they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drkit.config.explain import ExplainConfig
from drkit.errors import UsageError, first_few
from drkit.explaining.batch import ExplainSetup, default_target
from drkit.explaining.explanation import check_folder, write_explained
from drkit.explaining.faithfulness import FaithfulnessEvaluator
from drkit.explaining.inputs import ExplainInputs, prepare_inputs
from drkit.explaining.metrics import HOW_TO_READ, Means, faithfulness_table, lesion_table
from drkit.explaining.pictures import ROWS_A_SHEET
from drkit.explaining.writing import MAX_SHEETS
from drkit.machine import keep_freed_memory
from drkit.models.restoring import OpenedRun, open_run
from drkit.progress import notify, warn
from drkit.records.ensembles import is_ensemble
from drkit.records.explanations import Explanations
from drkit.records.layouts import read_datasets
from drkit.reporting import Table
from drkit.training.devices import pick_device

SAME_SCORE = 0.25  # grades; rounding on another device changes scores by less, other photographs by more


@dataclass(frozen=True, kw_only=True)
class ExplainReport:
    """The explanations that were written.

    Args:
        run: Name of the run.
        asked: The target: predicted, reference, score, or a grade.
        photographs: Number of photographs explained.
        reason: How they were selected.
        folders: Where the pictures are, by method.
        alarms: Photographs whose evidence is denser outside the fundus disc than inside, by method.
        faithfulness: Means by method; empty if it was not measured.
        lesions: Means by method and kind of lesion; empty without masks.
        unreadable: Photographs that were skipped, with the reason, by id.
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
        """Return what was explained, the measures, and possible shortcuts."""
        photographs = f"{self.photographs} photograph{'s' * (self.photographs != 1)}"
        yield f"{self.run}: explained {photographs} ({self.reason}); target: {self.asked}"
        if self.faithfulness:
            yield faithfulness_table(self.faithfulness)
            yield HOW_TO_READ
        if self.lesions:
            yield lesion_table(self.lesions)
        for method, names in self.alarms.items():
            if names:
                yield (
                    f"possible shortcut: by {method}, the evidence is denser outside the fundus disc than inside in"
                    f" {len(names)} of {self.photographs} photographs: {first_few(names)}"
                )
        for folder in self.folders.values():
            yield f"wrote {folder}"


def run_explain(run_path: Path, config: ExplainConfig) -> ExplainReport:
    """Explain photographs with a finished run, which first grades those that it has not graded yet.

    Raises:
        InputError: no such run, data set, photograph, reference grade or mask.
        UsageError: an ensemble, or a layer, a fold or a seed that the run does not have.
        OutputExistsError: a folder exists already.
    """
    if is_ensemble(run_path):
        raise UsageError(f"{run_path} is an ensemble, which has no maps: explain its members one by one")
    opened = open_run(run_path, config.fold, config.network_seed)
    folders = {method: _folder(opened, method, config) for method in config.methods}
    for folder in folders.values():
        check_folder(folder, force=config.force)
    labels, device = read_datasets(config.data), pick_device(config.device)
    target_name = config.target_grade or default_target(opened.header.decision)
    inputs = prepare_inputs(opened, labels, config, target_name)
    _report_selection(inputs, config.fold)
    keep_freed_memory()
    evaluator = FaithfulnessEvaluator(config.seed) if config.faithfulness else None
    explanations = {}
    for method, folder in folders.items():
        setup = ExplainSetup(
            opened=opened,
            explained=inputs.explained,
            method=method,
            target_name=target_name,
            layer=config.layer,
            evaluator=evaluator,
            device=device,
        )
        explanations[method] = write_explained(setup, inputs, folder, config)
    if not opened.header.tta and config.fold is None and config.network_seed is None:
        _warn_of_changed_scores(next(iter(explanations.values())), inputs)  # the same views and networks graded them
    return _report(explanations, inputs, folders)


def _report(explanations: dict[str, Explanations], inputs: ExplainInputs, folders: dict[str, Path]) -> ExplainReport:
    first = next(iter(explanations.values()))
    return ExplainReport(
        run=first.run,
        asked=first.asked,
        photographs=inputs.explained.num_photographs,
        reason=first.reason,
        folders=folders,
        alarms={
            name: tuple(row.image_id for row in each.photographs if row.alarm) for name, each in explanations.items()
        },
        faithfulness={name: each.faithfulness for name, each in explanations.items() if each.faithfulness},
        lesions={name: each.lesions for name, each in explanations.items() if each.lesions},
        unreadable=first.unreadable,
    )


def _folder(opened: OpenedRun, method: str, config: ExplainConfig) -> Path:
    """The folder of a method; with several methods each has a folder in `out`."""
    if config.out is None:
        return Path("explanations") / f"{opened.run.name}-{method}"
    return config.out if len(config.methods) == 1 else config.out / method


def _report_selection(inputs: ExplainInputs, fold: int | None) -> None:
    """Say what is explained, and warn of photographs that the run was trained on."""
    predictions, selection, explained = inputs.predictions, inputs.selection, inputs.explained
    selected = predictions.rows["image_id"].isin(selection.image_ids).to_numpy(dtype=bool)
    if num_leaked := int((predictions.leaked_rows() & selected).sum()):
        warn(
            f"the run was trained on {num_leaked} of these photographs: their maps show what it learned, not how it"
            " generalises"
        )
    if fold is not None:
        is_other = (explained.rows["fold"] != fold).fillna(False)
        if num_others := int((explained.rows["picked"] & is_other).sum()):
            warn(f"fold {fold} was trained on {num_others} of these photographs: leave out --fold to use the others")
    num, more = len(selection.image_ids), explained.num_photographs - len(selection.image_ids)
    together = f", and {more} of the same {explained.units.kind}s" if more else ""
    notify(f"explaining {num} photograph{'s' if num != 1 else ''}{together}: {selection.reason}")
    if explained.num_photographs > MAX_SHEETS * ROWS_A_SHEET:
        notify(f"the sheets show the first {MAX_SHEETS * ROWS_A_SHEET} photographs; each photograph has a picture")


def _warn_of_changed_scores(explanations: Explanations, inputs: ExplainInputs) -> None:
    """Warn of photographs whose scores differ from those that the run gave to photographs of the same names."""
    earlier = inputs.explained.rows.set_index("image_id")["score"]
    changed = [row.image_id for row in explanations.photographs if abs(row.score - earlier[row.image_id]) > SAME_SCORE]
    if changed:
        warn(
            f"the scores of {first_few(changed)} differ from those in the run's predictions: if these are other"
            " photographs with the same names, grade them with drkit predict and give that file with --predictions"
        )
