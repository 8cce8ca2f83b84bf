"""`drkit check`: an audit of data sets, runs and submissions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from drkit.auditing.contact_sheet import MAX_PAIRS, draw_contact_sheet
from drkit.auditing.contradictions import find_contradictions
from drkit.auditing.duplicates import DuplicateGroup, find_copies, find_copy_findings
from drkit.auditing.findings import (
    FAILING,
    KINDS,
    SEVERITIES,
    Finding,
    by_severity,
    finding_of_problem,
    finding_of_remark,
)
from drkit.auditing.integrity import find_changed_files
from drkit.auditing.leaks import (
    AuditedPredictions,
    find_contradicting_files,
    find_trained_photographs,
    find_trained_rows,
    hash_originals,
    read_graded,
)
from drkit.auditing.photographs import find_poor_photographs
from drkit.auditing.regrading import find_regraded
from drkit.auditing.rows import concat_surveys
from drkit.auditing.submissions import find_submission_faults, is_submission
from drkit.config.check import CheckConfig
from drkit.config.shared import LOCAL, EngineOptions
from drkit.duplicates.stats import PhotographStats, measure_photographs
from drkit.errors import InputError, UsageError
from drkit.progress import warn
from drkit.records.atomic import check_writable, write_bytes
from drkit.records.layouts.cells import is_table_file
from drkit.records.layouts.survey import Survey, survey_dataset
from drkit.records.patterns import expand_patterns
from drkit.records.runs import Run
from drkit.records.submission import read_sample
from drkit.reporting import Table

SHOWN = 5  # findings listed per kind; --json lists all


@dataclass(frozen=True)
class CheckedInputs:
    """The paths to audit, by kind.

    Args:
        data_sets: Folders, or CSVs that label photographs.
        predictions: Predictions files, with or without a run.
        comparisons: Records of comparisons of runs.
        submissions: CSVs of ids and grades for a competition.
    """

    data_sets: tuple[Path, ...] = ()
    predictions: tuple[Path, ...] = ()
    comparisons: tuple[Path, ...] = ()
    submissions: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """The findings of an audit.

    Args:
        inputs: The audited paths, by kind.
        photographs: Number of photographs in all data sets.
        prediction_rows: Number of rows in all predictions.
        severities: Number of findings of each severity.
        kinds: Number of findings of each kind, worst first.
        findings: All findings, worst first.
        contact_sheet: Picture of the duplicate pairs, or None.
        exit_code: 1 with findings that fail the audit (see `--fail-on`), else 0.
    """

    inputs: CheckedInputs
    photographs: int
    prediction_rows: int
    severities: dict[str, int]
    kinds: dict[str, int]
    findings: tuple[Finding, ...]
    contact_sheet: Path | None
    exit_code: int

    def render(self) -> Iterator[str | Table]:
        """Return what was audited, and the first findings of each kind, worst first."""
        yield f"audited {self._audited()}"
        for kind, count in self.kinds.items():
            yield f"{KINDS[kind].severity}: {kind} ({count}): {KINDS[kind].meaning}"
            of_kind = [finding for finding in self.findings if finding.kind == kind]
            yield from (f"  {finding.sentence}" for finding in of_kind[:SHOWN])
            if count > SHOWN:
                yield f"  and {count - SHOWN} more (--json lists all)"
        if self.contact_sheet:
            yield f"wrote {self.contact_sheet}"
        yield ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in self.severities.items())

    def _audited(self) -> str:
        parts = [
            (self.inputs.data_sets, f"{self.photographs} photographs"),
            (self.inputs.predictions, f"{self.prediction_rows} predictions"),
            (self.inputs.comparisons, f"{len(self.inputs.comparisons)} comparisons"),
        ]
        listed = [f"{content} of {', '.join(map(str, paths))}" for paths, content in parts if paths]
        return "; ".join([*listed, *(f"submission {path}" for path in self.inputs.submissions)])


@dataclass
class _Audit:
    """The state of an audit."""

    surveys: list[tuple[Path, Survey]]
    graded: list[AuditedPredictions]
    findings: list[Finding] = field(default_factory=list)
    copies: list[DuplicateGroup] = field(default_factory=list)
    num_photographs: int = 0


def run_check(paths: Sequence[Path], config: CheckConfig, engine: EngineOptions = LOCAL) -> CheckReport:
    """Audit data sets, singly and against each other, runs and submissions.

    Raises:
        InputError: a path that is none of these, or that cannot be read, or a cluster that cannot be used.
        OutputExistsError: the contact sheet exists already.
        UsageError: a sample without a submission, or a contact sheet that is no PNG or has no data set.
    """
    if not paths:
        raise UsageError("nothing to audit: give a data set, a run or a submission")
    inputs = sort_inputs(expand_patterns(paths), config.sample)
    _check_sheet(inputs, config)
    audit = _Audit([(path, survey_dataset(path)) for path in inputs.data_sets], [*map(read_graded, inputs.predictions)])
    _audit_submissions(audit, inputs, config)
    _audit_data_sets(audit, config, engine)
    for graded in audit.graded:
        audit.findings += find_trained_rows(graded)
    for record in (*(graded.record for graded in audit.graded), *inputs.comparisons):
        audit.findings += find_changed_files(record) if record else ()
    _draw(audit.copies, config)
    return _report(audit, inputs, config)


def sort_inputs(paths: Sequence[Path], sample: Path | None) -> CheckedInputs:
    """Sort paths into data sets, predictions, comparisons and submissions.

    Raises:
        InputError: no such file, or not a table.
        UsageError: a sample without a submission.
    """
    data_sets: list[Path] = []
    predictions: list[Path] = []
    comparisons: list[Path] = []
    submissions: list[Path] = []
    for path in paths:
        if (sample and is_table_file(path)) or is_submission(path):
            submissions.append(path)
        elif path.is_dir() and any(path.glob("*.parquet")):
            predictions += sorted(path.glob("*.parquet"))
            comparisons += sorted(path.glob("*.comparison.json"))
        elif path.is_dir() or (is_table_file(path) and not path.name.endswith(".history.csv")):
            data_sets.append(path)
        else:
            compared = Run.of(path).comparison.is_file()
            comparisons += [Run.of(path).comparison] * compared
            predictions += [path] * (not compared or Run.of(path).predictions.is_file())  # several seeds: it alone
    if sample and not submissions:
        raise UsageError("--sample is compared with a submission: also give the submission's CSV")
    kinds = (data_sets, predictions, comparisons, submissions)
    return CheckedInputs(*(tuple(dict.fromkeys(each)) for each in kinds))


def _check_sheet(inputs: CheckedInputs, config: CheckConfig) -> None:
    if config.contact_sheet is None:
        return
    if not inputs.data_sets:
        raise UsageError("--contact-sheet shows photographs: also give a data set")
    if config.contact_sheet.suffix.lower() != ".png":
        raise UsageError(f"--contact-sheet {config.contact_sheet}: expected a name that ends in .png")
    check_writable(config.contact_sheet, force=config.force)


def _audit_submissions(audit: _Audit, inputs: CheckedInputs, config: CheckConfig) -> None:
    sample = read_sample(config.sample) if config.sample else None
    for path in inputs.submissions:
        if not path.is_file():
            raise InputError(f"{path} does not exist: expected a submission, a CSV of ids and grades")
        audit.findings += find_submission_faults(path, sample)


def _audit_data_sets(audit: _Audit, config: CheckConfig, engine: EngineOptions) -> None:
    rows = concat_surveys(audit.surveys) if audit.surveys else None
    audit.findings += find_contradicting_files(audit.graded, rows)
    if rows is None:
        return
    audit.num_photographs = len(rows)
    for path, survey in audit.surveys:
        audit.findings += [finding_of_problem(problem, str(path)) for problem in survey.problems]
        audit.findings += [finding_of_remark(remark, str(path)) for remark in survey.remarks]
    audit.findings += find_contradictions(rows)
    paths = rows["path"].dropna().tolist()
    _audit_photographs(audit, rows, measure_photographs(paths, config.workers, engine.scheduler))


def _audit_photographs(audit: _Audit, rows: pd.DataFrame, stats: dict[str, PhotographStats]) -> None:
    audit.findings += find_poor_photographs(rows, stats)
    audit.copies = find_copies(rows, stats)
    audit.findings += find_copy_findings(audit.copies)
    audit.findings += find_regraded(audit.copies)
    originals = hash_originals(rows, stats) if audit.graded else {}
    for graded in audit.graded:
        audit.findings += find_trained_photographs(rows, originals, graded)


def _draw(copies: Sequence[DuplicateGroup], config: CheckConfig) -> None:
    if config.contact_sheet is None:
        return
    if len(copies) > MAX_PAIRS:
        warn(f"{config.contact_sheet} shows the first {MAX_PAIRS} of {len(copies)} duplicates (--json lists all)")
    worst_first = sorted(copies, key=lambda pair: list(KINDS).index(pair.kind))
    write_bytes(config.contact_sheet, draw_contact_sheet(worst_first), force=config.force)


def _report(audit: _Audit, inputs: CheckedInputs, config: CheckConfig) -> CheckReport:
    findings = by_severity(audit.findings)
    severities = Counter(finding.severity for finding in findings)
    return CheckReport(
        inputs=inputs,
        photographs=audit.num_photographs,
        prediction_rows=sum(len(graded.predictions) for graded in audit.graded),
        severities={severity: severities[severity] for severity in SEVERITIES},
        kinds=dict(Counter(finding.kind for finding in findings)),
        findings=findings,
        contact_sheet=config.contact_sheet,
        exit_code=int(any(severities[severity] for severity in FAILING[config.fail_on])),
    )
