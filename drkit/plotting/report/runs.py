"""The sections on trainings and ensembles: their options, histories, members and weights."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from drkit.catalogue import POLICIES
from drkit.plotting.curves import MEASURES, TrainingHistory, curve_handles, draw_curves, held_out_split
from drkit.plotting.epochs import draw_epochs
from drkit.plotting.histories import read_training_history
from drkit.plotting.report.page import (
    Block,
    Details,
    Paragraph,
    Pictures,
    Section,
    TableBlock,
    build_legend,
    embed_figure,
)
from drkit.plotting.report.sources import ReportSource
from drkit.plotting.report.tasks import infer_tasks, name_parent
from drkit.plotting.selection import name_data
from drkit.plotting.style import MAX_RUNS
from drkit.reporting import Table

# The options that are shown, in this order; those that a run does not state are left out.
SHOWN_OPTIONS = ("size", "steps", "round_discs", "attention", "loss", "augment", "freeze", "oversample")
COLUMNS = ("run", "task", "started from", "trained on", "sees", "grades", "options", "networks", "epoch kept\n(by)")


def build_runs(sources: Sequence[ReportSource]) -> list[Section]:
    """The trainings and their curves; nothing if no file belongs to a run."""
    runs = [source for source in sources if source.is_run]
    if not runs:
        return []
    tasks = infer_tasks(sources)
    runs.sort(key=lambda run: (tasks[run.name], run.name))
    options = {run.name: _describe_options(run) for run in runs}
    common = _find_common_options(list(options.values()))
    rows = [_describe_run(run, tasks[run.name], options[run.name], common, sources) for run in runs]
    sentence = f"Unless stated otherwise: {', '.join(common.values())}."
    blocks: list[Block] = [Paragraph(sentence, "quiet")] if common else []
    blocks.append(TableBlock(Table("Trainings", COLUMNS, rows)))
    listed = [line for run in runs for line in ("", f"{run.name}:", *_list_options(run.options))]
    whose = f"{len(runs)} runs" if len(runs) > MAX_RUNS else ", ".join(run.name for run in runs)
    blocks.append(Details(f"all options of {whose}", listed[1:]))
    remark = (
        "Figures of the training photographs are taken while learning, on augmented photographs. Losses of different"
        " kinds cannot be compared. The ring marks the epoch whose weights were kept."
    )
    return [
        Section("runs", "Runs", blocks),
        Section("curves", "Curves", [Paragraph(remark, "quiet"), *_draw_histories(runs)]),
    ]


def build_ensembles(sources: Sequence[ReportSource]) -> list[Section]:
    """The ensembles with their members and weights; nothing where there are none."""
    ensembles = [source for source in sources if source.is_ensemble]
    if not ensembles:
        return []
    blocks: list[Block] = []
    for source in ensembles:
        blocks.append(Paragraph(_describe_ensemble(source)))
        blocks.append(TableBlock(_list_members(source)))
        blocks += _build_bias(source)
        members = source.record.get("members") or []
        hashes = [f"{member.get('name')}  SHA-256 of its predictions: {member.get('sha256')}" for member in members]
        blocks.append(Details(f"all options and hashes of {source.name}", [*_list_options(source.options), *hashes]))
    return [Section("ensembles", "Ensembles: task (d)", blocks)]


def _find_common_options(options: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What most runs have in common, of the options that all state; nothing for one run."""
    stated = [name for name in options[0] if all(name in own for own in options)]
    counts = {name: Counter(own[name] for own in options).most_common(1)[0] for name in stated}
    return {name: text for name, (text, count) in counts.items() if 2 * count > len(options) > 1}


def _describe_run(
    source: ReportSource,
    task: str,
    options: Mapping[str, str],
    common: Mapping[str, str],
    sources: Sequence[ReportSource],
) -> tuple[str, ...]:
    record, meta = source.record, source.predictions.meta
    folds, seeds = (int(source.options.get(name) or 0) for name in ("folds", "seeds"))
    epoch = record.get("epoch")
    epochs = epoch if isinstance(epoch, list) else [epoch]
    counted = [f"{count} {word}" for count, word in ((folds, "folds"), (seeds, "seeds")) if count > 1]
    return (
        source.name,
        task,
        name_parent(source, sources) or str(source.options.get("weights", "unknown")),
        name_data(record) or "unknown",
        meta.unit,
        meta.target,
        ", ".join(text for name, text in options.items() if text != common.get(name)) or "-",
        " x ".join(counted) or "1",
        f"{', '.join(map(str, dict.fromkeys(epochs)))} ({meta.chosen_on})",
    )


def _describe_options(run: ReportSource) -> dict[str, str]:
    """Network, decision, and the stated options of `SHOWN_OPTIONS`, by name: `size 224`, `augment strong`."""
    meta = run.predictions.meta
    values = {name: run.options.get(name) for name in SHOWN_OPTIONS}
    if isinstance(policy := values["augment"], dict):
        known = (name for name, entry in POLICIES.items() if asdict(entry.load()) == policy)
        values["augment"] = next(known, "of its own")
    words = {name: name.replace("_", " ") for name, value in values.items() if value and value != "none"}
    options = {name: word if values[name] is True else f"{word} {_word(values[name])}" for name, word in words.items()}
    return {"network": meta.model, **options, "decision": f"grades by {meta.decision.replace('_', ' ')}"}


def _word(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_word, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _list_options(options: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """`name: value`, nested names joined by dots."""
    for name, value in sorted(options.items()):
        if isinstance(value, dict):
            yield from _list_options(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}: {_word(value)}"


def _draw_histories(runs: Sequence[ReportSource]) -> list[Block]:
    """The curves of at most `MAX_RUNS` runs of the same data sets on the same axes, with one legend."""
    blocks: list[Block] = []
    by_data: dict[str, dict[str, TrainingHistory]] = {}
    for run in runs:
        history = read_training_history(run.run)
        by_data.setdefault(history.data, {})[run.name] = history
    groups = [
        dict(list(histories.items())[first : first + MAX_RUNS])
        for histories in by_data.values()
        for first in range(0, len(histories), MAX_RUNS)
    ]
    for histories in groups:
        pictures = [
            embed_figure(draw_curves(histories, [key], legend=False), f"{title} over the epochs")
            for key, title in MEASURES.items()
        ]
        if all(held_out_split(history.rows) for history in histories.values()):
            what = "quadratic weighted kappa on held-out against training patients, one point per epoch"
            pictures.append(embed_figure(draw_epochs(histories, ["quadratic_weighted_kappa"], legend=False), what))
        blocks.append(Pictures(pictures, build_legend(curve_handles(histories))))
    return blocks


def _describe_ensemble(source: ReportSource) -> str:
    settings = source.record.get("settings") or {}
    method = settings.get("method") or source.options.get("method") or "combined"
    listed = ", ".join(f"{name} {_word(value)}" for name, value in settings.items() if name != "method")
    sentence = f"{source.name}: {method}{f' ({listed})' if listed else ''}, that is {source.predictions.meta.model}."
    if not source.record.get("is_fitted", True):
        return f"{sentence} Nothing was fitted to reference grades."
    return f"{sentence} Graded photographs have the prediction of the nested fold that held their patient out."


def _build_bias(source: ReportSource) -> list[Block]:
    """The optimistic bias of fitting and scoring on the same patients, where the record states both."""
    agreement = source.record.get("agreement") or {}
    try:
        nested, naive = (float(agreement[how]["quadratic_weighted_kappa"]) for how in ("nested", "naive"))
    except (KeyError, TypeError):
        return []
    sentence = (
        f"Quadratic kappa on held-out patients: {nested:.3f}. Fitted and scored on the same patients it would be"
        f" {naive:.3f}, optimistic by {naive - nested:+z.3f}."
    )
    return [Paragraph(sentence, "quiet")]


def _list_members(source: ReportSource) -> Table:
    members = source.record.get("members") or []
    weights = (source.record.get("fitted") or {}).get("weights")
    rows = [(str(member.get("name")), str(member.get("model"))) for member in members]
    if not isinstance(weights, list) or len(weights) != len(members):
        return Table(f"Members of {source.name}", ("member", "network"), rows)
    weighted = [(*row, f"{weight:.3f}") for row, weight in zip(rows, weights, strict=True)]
    return Table(f"Members of {source.name}", ("member", "network", "weight"), weighted)
