"""The sections on attention and on ensemble methods, from the records of their comparisons."""

from collections.abc import Mapping
from pathlib import Path

from drkit.ensembling.comparison import EnsembleComparison, format_gain
from drkit.evaluation.agreement import with_interval
from drkit.plotting.forest import ForestRow, draw_forest, rows_of_methods
from drkit.plotting.report.page import Block, Heading, Paragraph, Pictures, Section, TableBlock, embed_figure
from drkit.plotting.report.sources import AttentionRecord
from drkit.reporting import Table


def build_attention(records: Mapping[Path, AttentionRecord]) -> list[Section]:
    """The section on attention; empty without comparisons."""
    if not records:
        return []
    columns = (
        "run", "against", "kappa of each seed", "of the other's seeds", "difference", "95 % interval", "P(no gain)",
        "photographs / patients", "added parameters",
    )  # fmt: skip
    compared = list(map(_describe_attention, records.values()))
    blocks: list[Block] = [TableBlock(Table("Quadratic kappa with attention and without", columns, compared))]
    if len(records) > 1:
        rows = [
            ForestRow(f"{record.comparison.run} against {record.comparison.against}", difference, *interval)
            for record in records.values()
            for difference, interval in [(record.comparison.difference, record.comparison.interval)]
        ]
        figure = draw_forest(rows, "Attention against the same training without", "difference in quadratic kappa, 95 %")
        blocks.append(Pictures([embed_figure(figure, "differences in quadratic kappa with their intervals")]))
    for record in records.values():
        blocks.append(Paragraph(record.comparison.sentence))
        blocks += [Paragraph(remark, "warning") for remark in record.remarks]
    return [Section("attention", "Attention: task (c)", blocks)]


def _describe_attention(record: AttentionRecord) -> tuple[str, ...]:
    comparison = record.comparison
    return (
        comparison.run,
        comparison.against,
        *(", ".join(f"{kappa:.3f}" for kappa in kappas) for kappas in (comparison.kappas, comparison.against_kappas)),
        f"{comparison.difference:+z.3f}",
        f"{comparison.interval[0]:+.3f} to {comparison.interval[1]:+.3f}",
        f"{comparison.probability_of_no_gain:.3f}",
        f"{comparison.photographs} / {comparison.patients}",
        f"{record.cost.added_parameters} of {record.cost.parameters}",
    )


def build_methods(records: Mapping[Path, EnsembleComparison]) -> list[Section]:
    """The section on ensemble methods; empty without comparisons."""
    blocks: list[Block] = []
    for path, record in records.items():
        axis = "quadratic weighted kappa on held-out patients, 95 % interval over patients"
        figure = draw_forest(rows_of_methods(record.contenders), record.title, axis)
        blocks += [
            Heading(f"{path.stem}: {record.target}'s grade"),
            Paragraph(record.sentence),
            TableBlock(_tabulate(record)),
            Pictures([embed_figure(figure, "kappas of all methods")]),
            *(Paragraph(remark, "warning") for remark in record.remarks),
        ]
    return [Section("methods", "Ensemble methods compared: task (d)", blocks)] if blocks else []


def _tabulate(record: EnsembleComparison) -> Table:
    columns = ("method", "kind", "quadratic kappa", "scored where fitted", "plain kappa", "accuracy", "to best member")
    rows = [
        (
            item.name,
            item.kind,
            with_interval(item.nested.quadratic_weighted_kappa, item.nested.quadratic_weighted_kappa_interval),
            "-" if item.naive_kappa is None else f"{item.naive_kappa:.3f}",
            f"{item.nested.plain_kappa:.3f}",
            f"{item.nested.accuracy:.3f}",
            format_gain(item.gain),
        )
        for item in sorted(
            record.contenders, key=lambda item: (item.kind == "member", -item.nested.quadratic_weighted_kappa)
        )
    ]
    return Table(record.title, columns, rows)
