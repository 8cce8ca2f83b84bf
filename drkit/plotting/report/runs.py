"""The sections on trainings and ensembles: what was done, with which options, and how it went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from drkit.catalogue import POLICIES
from drkit.plotting.curves import MEASURES, TrainingHistory, draw_curves, held_out_split
from drkit.plotting.epochs import draw_epochs
from drkit.plotting.histories import read_training_history
from drkit.plotting.report.page import Block, Details, Paragraph, Picture, Pictures, Section, TableBlock, embed_figure
from drkit.plotting.report.sources import ReportSource
from drkit.reporting import Table

# Options that tell runs apart, in the order of reading; those that a run does not state are left out.
TOLD_OPTIONS = (
    "backbone",
    "weights",
    "unit",
    "size",
    "steps",
    "round_discs",
    "attention",
    "loss",
    "augment",
    "freeze",
    "folds",
    "seeds",
)
_PLAIN_WEIGHTS = ("imagenet", "none")


def tell_runs(sources: Sequence[ReportSource]) -> list[Section]:
    """The trainings and their curves; nothing where no file is a run's."""
    runs = [source for source in sources if source.is_run]
    if not runs:
        return []
    columns = ("run", "task", "network", "weights and options", "grades", "epoch kept", "epoch chosen on")
    table = Table("Trainings", columns, [_describe_run(run) for run in runs])
    listings = [Details(f"all options of {run.name}", list(_list_options(run.options))) for run in runs]
    histories = {run.name: read_training_history(run.run) for run in runs}
    remark = (
        "FloatArray on the training photographs are taken while learning, on augmented photographs. Losses of different"
        " kinds cannot be compared. The ring marks the epoch whose weights were kept."
    )
    return [
        Section("runs", "Runs", [TableBlock(table), *listings]),
        Section("curves", "Curves", [Paragraph(remark, "quiet"), Pictures(_draw(histories))]),
    ]


def tell_ensembles(sources: Sequence[ReportSource]) -> list[Section]:
    """The ensembles with their members and weights; nothing where there are none."""
    ensembles = [source for source in sources if source.is_ensemble]
    if not ensembles:
        return []
    blocks: list[Block] = []
    for source in ensembles:
        blocks.append(Paragraph(_describe_ensemble(source)))
        blocks.append(TableBlock(_list_members(source)))
        blocks += _tell_gap(source)
        blocks.append(Details(f"all options of {source.name}", list(_list_options(source.options))))
    return [Section("ensembles", "Ensembles: task (d)", blocks)]


def infer_task(options: Mapping[str, Any]) -> str:
    """The history's task that a training with these options answers."""
    if options.get("attention") not in (None, "", "none"):
        return "(c) attention"
    if options.get("steps") or str(options.get("weights", "imagenet")) not in _PLAIN_WEIGHTS:
        return "(b) preprocessing or other weights"
    return "(a) transfer learning"


def _describe_run(source: ReportSource) -> tuple[str, ...]:
    options, meta = source.options, source.predictions.meta
    stated = {name: options.get(name) for name in TOLD_OPTIONS[1:] if (name, options.get(name)) != ("seeds", 1)}
    listed = [_tell_option(name, value) for name, value in stated.items() if value]
    epochs = source.record.get("epoch")
    kept = ", ".join(map(str, epochs)) if isinstance(epochs, list) else str(epochs)
    grades = f"{meta.target}, by {meta.decision.replace('_', ' ')}"
    return (source.name, infer_task(options), meta.model, ", ".join(listed), grades, kept, meta.chosen_on)


def _tell_option(name: str, value: object) -> str:
    if name == "augment" and isinstance(value, dict):
        value = next((policy for policy, entry in POLICIES.items() if asdict(entry.load()) == value), "of its own")
    return f"{name} {_word(value)}"


def _word(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_word, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _list_options(options: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """`name: value`, nested names joined by dots."""
    for name, value in sorted(options.items()):
        if isinstance(value, dict):
            yield from _list_options(value, f"{before}{name}.")
        else:
            yield f"{before}{name}: {_word(value)}"


def _draw(histories: Mapping[str, TrainingHistory]) -> list[Picture]:
    pictures = [
        embed_figure(draw_curves(histories, [key]), f"{title} over the epochs") for key, title in MEASURES.items()
    ]
    compared = "quadratic weighted kappa on training against held-out patients, a point an epoch"
    if all(held_out_split(history.rows) for history in histories.values()):
        pictures.append(embed_figure(draw_epochs(histories, ["quadratic_weighted_kappa"]), compared))
    return pictures


def _describe_ensemble(source: ReportSource) -> str:
    settings = source.record.get("settings") or {}
    method = settings.get("method") or source.options.get("method") or "combined"
    listed = ", ".join(f"{name} {_word(value)}" for name, value in settings.items() if name != "method")
    sentence = f"{source.name}: {method}{f' ({listed})' if listed else ''}, that is {source.predictions.meta.model}."
    if not source.record.get("is_fitted", True):
        return f"{sentence} Nothing was fitted to reference grades."
    return f"{sentence} Graded photographs carry the answer of the nested fold that held their patient out."


def _tell_gap(source: ReportSource) -> list[Block]:
    """The optimistic bias of fitting and scoring on the same patients, where the record states both."""
    agreement = source.record.get("agreement") or {}
    try:
        nested, naive = (float(agreement[how]["quadratic_weighted_kappa"]) for how in ("nested", "naive"))
    except (KeyError, TypeError):
        return []
    sentence = (
        f"Quadratic kappa on patients not fitted on: {nested:.3f}. Fitted and scored on the same patients it would read"
        f" {naive:.3f}, optimistic by {naive - nested:+.3f}."
    )
    return [Paragraph(sentence, "quiet")]


def _list_members(source: ReportSource) -> Table:
    members = source.record.get("members") or []
    weights = (source.record.get("fitted") or {}).get("weights")
    if not isinstance(weights, list) or len(weights) != len(members):
        weights = [None] * len(members)
    shares = ["-" if weight is None else f"{weight:.3f}" for weight in weights]
    rows = [
        (str(member.get("name")), share, str(member.get("model")), str(member.get("sha256", ""))[:16])
        for member, share in zip(members, shares, strict=True)
    ]
    return Table(f"Members of {source.name}", ("member", "weight", "network", "SHA-256 of its predictions"), rows)
