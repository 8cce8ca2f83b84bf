"""The section on the data set: counts of photographs by grade, findings of the audit, and examples of each grade."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drkit.auditing.contradictions import find_contradictions
from drkit.auditing.duplicates import find_copies, find_copy_findings
from drkit.auditing.findings import KINDS, Finding, by_severity, finding_of_problem, finding_of_remark
from drkit.auditing.leaks import find_trained_photographs, hash_originals, read_graded
from drkit.auditing.photographs import find_poor_photographs
from drkit.auditing.rows import concat_surveys
from drkit.duplicates.stats import measure_photographs
from drkit.grades import GRADE_NAMES, NUM_GRADES, SPLITS, TARGETS, grade_column
from drkit.plotting.criteria import describe_grade
from drkit.plotting.gallery import GalleryItem, show_examples
from drkit.plotting.report.page import (
    Block,
    Details,
    Paragraph,
    Pictures,
    Section,
    TableBlock,
    embed_photograph,
)
from drkit.plotting.report.sources import ReportSource
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.records.layouts.survey import survey_dataset
from drkit.reporting import Table

EXAMPLES = 4  # photographs of a grade
SIDE = 200  # pixels of a photograph


@dataclass(frozen=True)
class DataSet:
    """A data set that was read and audited.

    Args:
        labels: Labels of its photographs.
        findings: Findings of the audit, the most severe first.
        hashes: Id of each photograph by SHA-256, of the original file if the photograph was preprocessed.
    """

    labels: Labels
    findings: Sequence[Finding]
    hashes: Mapping[str, str] = field(default_factory=dict)


def audit_data(paths: Sequence[Path], sources: Sequence[ReportSource]) -> DataSet:
    """Read and audit data sets, and check which photographs the runs were trained on.

    Raises:
        InputError: a data set cannot be read.
    """
    labels = read_datasets(paths)
    surveys = [(path, survey_dataset(path)) for path in paths]
    rows = concat_surveys(surveys)
    stats = measure_photographs(rows["path"].dropna().tolist())
    originals = hash_originals(rows, stats)
    findings = [finding_of_problem(problem, str(path)) for path, survey in surveys for problem in survey.problems]
    findings += [finding_of_remark(remark, str(path)) for path, survey in surveys for remark in survey.remarks]
    findings += find_contradictions(rows)
    findings += find_poor_photographs(rows, stats)
    findings += find_copy_findings(find_copies(rows, stats))
    for source in sources:
        if "trained_on_photographs" in source.record:
            findings += find_trained_photographs(rows, originals, read_graded(source.path))
    known = zip(labels.rows["path"], labels.rows["image_id"], strict=True)
    hashes = {originals[path]: image_id for path, image_id in known}
    return DataSet(labels, by_severity(findings), hashes)


def build_data(data: DataSet, seed: int) -> Section:
    """Counts, audit, and examples of each grade."""
    labels = data.labels
    summary = f"{len(labels)} photographs of {labels.num_patients} patients, read as layout {labels.layout}."
    blocks: list[Block] = [Paragraph(summary)]
    stated = [column for column in map(grade_column, TARGETS) if labels.rows[column].notna().any()]
    parts = labels.by_dataset()
    blocks += [
        TableBlock(_count_grades(part, column, f" of {name}" if labels.datasets else ""))
        for column in stated
        for name, part in parts.items()
    ]
    blocks += _build_findings(data.findings)
    if stated:
        blocks += _show_grades(show_examples(labels, EXAMPLES, seed, SIDE))
    return Section("data", "Data and audit", blocks)


def leave_out_data() -> Section:
    """The section for a report without a data set."""
    text = "No data set was given (--data), so its audit and all photographs are left out of this report."
    return Section("data", "Data and audit", [Paragraph(text, "warning")])


def _count_grades(labels: Labels, column: str, of: str) -> Table:
    whose = column.partition("_")[0]
    columns = ("split", "patients", "photographs", *(f"{g} {name}" for g, name in enumerate(GRADE_NAMES)), "no grade")
    rows = []
    for split in SPLITS:
        part = labels.rows[labels.rows["split"] == split]
        if len(part):
            counts = [str(int((part[column] == grade).sum())) for grade in range(NUM_GRADES)]
            patients = str(part["patient_id"].nunique()) if part["patient_id"].notna().any() else "unknown"
            rows.append((split, patients, str(len(part)), *counts, str(int(part[column].isna().sum()))))
    return Table(f"Photographs{of} by the {whose}'s grade", columns, rows)


def _build_findings(findings: Sequence[Finding]) -> list[Block]:
    if not findings:
        return [Paragraph("The audit found nothing: no duplicates, contradictions, broken files or leaks.")]
    counts = Counter(finding.kind for finding in findings)
    rows = [(KINDS[kind].severity, kind, str(count), KINDS[kind].meaning) for kind, count in counts.items()]
    table = Table("What the audit found", ("severity", "kind", "count", "meaning"), rows)
    listed = [f"{finding.severity} {finding.kind}: {finding.sentence}" for finding in findings]
    return [TableBlock(table), Details(f"all {len(findings)} findings", listed)]


def _show_grades(rows: Sequence[Sequence[GalleryItem]]) -> list[Block]:
    blocks: list[Block] = []
    for grade, shown in enumerate(rows):
        blocks.append(Paragraph(describe_grade(grade) + ("" if shown else " (no photograph here)")))
        if shown:
            alt = f"photograph of grade {grade}"
            blocks.append(Pictures([embed_photograph(item.photograph, alt, *item.lines, width=SIDE) for item in shown]))
    return blocks
