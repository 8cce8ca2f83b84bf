"""The findings of an audit, and their kinds and severities."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import pandas as pd

from drkit.config.check import FailOn
from drkit.records.layouts.remarks import DatasetRemark
from drkit.records.layouts.survey import DatasetProblem

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
# With these `drkit check` ends with exit code 1.
FAILING: Mapping[FailOn, tuple[Severity, ...]] = {"error": ("error",), "warning": ("error", "warning"), "never": ()}


@dataclass(frozen=True)
class FindingKind:
    """Severity and meaning of a kind of finding."""

    severity: Severity
    meaning: str


KINDS: Mapping[str, FindingKind] = MappingProxyType(
    {
        "missing-photograph": FindingKind("error", "a table lists a photograph that does not exist"),
        "unlocatable-photograph": FindingKind(
            "error", "several files match a photograph, or it is outside the data set"
        ),
        "unreadable-photograph": FindingKind(
            "error", "not a photograph, damaged, truncated, or below 16 pixels per side"
        ),
        "blank-photograph": FindingKind("error", "a photograph of one colour"),
        "empty-id": FindingKind("error", "a row without an id or a path"),
        "id-twice": FindingKind("error", "one id names several rows"),
        "grade-off-scale": FindingKind("error", "a grade other than 0-4, or 5 for cannot be graded"),
        "two-eyes-graded": FindingKind("error", "one photograph has two different eye grades"),
        "unknown-word": FindingKind("error", "a cell that cannot be interpreted"),
        "contradicting-eye-grade": FindingKind("error", "photographs of one eye have different eye grades"),
        "contradicting-patient-grade": FindingKind("error", "photographs of one patient have different patient grades"),
        "contradicting-grades": FindingKind("error", "copies of one photograph have different grades"),
        "patient-across-splits": FindingKind("error", "a patient is in several splits of a data set"),
        "identical-across-splits": FindingKind("error", "the same file is in several splits"),
        "near-duplicate-across-splits": FindingKind(
            "error", "one photograph, saved again or taken again within seconds, is in several splits"
        ),
        "trained-on-photograph": FindingKind("error", "a run was trained on a photograph of split val or test"),
        "trained-on-row": FindingKind("error", "a prediction for a photograph that the model was trained on"),
        "changed-file": FindingKind(
            "error", "a file does not match its SHA-256 in the JSON of a run, ensemble or comparison"
        ),
        "contradicting-references": FindingKind("error", "files state different reference grades of one photograph"),
        "contradicting-splits": FindingKind("error", "files put one photograph into different splits"),
        "wrong-columns": FindingKind(
            "error", "a submission's columns are not those of the sample, or ID and TARGET without a sample"
        ),
        "id-missing": FindingKind("error", "the submission lacks an id of the sample"),
        "id-surplus": FindingKind("error", "the submission has an id that the sample lacks"),
        "side-conflict": FindingKind("warning", "the file name states one eye, and the table the other"),
        "patient-grade-against-eyes": FindingKind("warning", "the patient's grade is not that of the worse eye"),
        "identical-photographs": FindingKind("warning", "one file has several ids"),
        "near-duplicates": FindingKind(
            "warning", "one photograph, saved again or taken again within seconds, has several ids"
        ),
        "identical-across-data-sets": FindingKind("warning", "data sets share a file"),
        "near-duplicate-across-data-sets": FindingKind("warning", "data sets share a photograph that was saved again"),
        "decoder-warning": FindingKind("warning", "a decoder reported a problem in a photograph, which may be damaged"),
        "tiny-photograph": FindingKind("warning", "below 64 pixels per side: too small for lesions"),
        "small-photograph": FindingKind("note", "below 224 pixels per side, the usual input size of networks"),
        "depth-inferred": FindingKind(
            "note", "the bit depth was inferred from the largest value: the photograph may be too bright"
        ),
        "first-of-several": FindingKind("note", "a file has several pages or frames, of which the first is read"),
        "bytes-behind-end": FindingKind("note", "bytes after the end of the photograph are not read"),
        "light-surround": FindingKind("note", "the surround of the fundus disc is white or light"),
        "doubtful-scale": FindingKind("warning", "grades that look like those of a scale other than ICDR 0-4"),
        "files-skipped": FindingKind("warning", "files beside the photographs that may show eyes, but are not read"),
        "folders-unread": FindingKind(
            "warning", "folders that look like classes, but are not all grades of the ICDR scale"
        ),
        "patients-unknown": FindingKind(
            "note", "the patients are unknown: each photograph counts as a separate patient"
        ),
        "patients-respelled": FindingKind(
            "note", "one patient id is written in several ways, which count as one patient"
        ),
        "patients-from-names": FindingKind(
            "note", "no table states the patients, which are inferred from the photographs' names"
        ),
        "columns-guessed": FindingKind("note", "the meanings of columns or folders were inferred"),
        "columns-unread": FindingKind("note", "columns that are not read"),
        "graded-twice": FindingKind(
            "note", "agreement between the grades of photographs that were graded under several ids"
        ),
        "ungradable": FindingKind("note", "grade 5, cannot be graded: not used for training"),
        "views-saved-twice": FindingKind("note", "two views of one eye are one photograph saved twice"),
        "views-alike": FindingKind("note", "two views of one eye hardly differ: saved again, or taken within seconds"),
    }
)
_RANKS = {name: (SEVERITIES.index(kind.severity), rank) for rank, (name, kind) in enumerate(KINDS.items())}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding of an audit.

    Args:
        severity: error (breaks or falsifies results), warning (probably a mistake) or note.
        kind: A key of `KINDS`.
        sentence: Location and description.
        ids: Ids of all photographs concerned.
        paths: Files of these photographs, without those that have none, in the order of `ids`.
        sources: The data sets, runs or submissions concerned, as they were given.
    """

    severity: Severity
    kind: str
    sentence: str
    ids: tuple[str, ...]
    paths: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def make_finding(
    kind: str, sentence: str, ids: Iterable[str], paths: Iterable[str] = (), sources: Iterable[str] = ()
) -> Finding:
    """Make a finding with the severity of its kind, and each source once."""
    return Finding(
        severity=KINDS[kind].severity,
        kind=kind,
        sentence=sentence,
        ids=tuple(map(str, ids)),
        paths=tuple(map(str, paths)),
        sources=tuple(dict.fromkeys(map(str, sources))),
    )


def finding_about(kind: str, sentence: str, rows: pd.DataFrame) -> Finding:
    """A finding about rows of `concat_surveys`."""
    return make_finding(kind, sentence, rows["image_id"], rows["path"].dropna(), rows["source"])


def finding_of_problem(problem: DatasetProblem, source: str) -> Finding:
    """A problem of a data set's tables as a finding."""
    return make_finding(problem.kind, problem.sentence, problem.image_ids, (), (source,))


def finding_of_remark(remark: DatasetRemark, source: str) -> Finding:
    """A remark on how a data set was read, as a finding."""
    return make_finding(remark.kind, f"{source}: {remark.sentence}", (), (), (source,))


def by_severity(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort findings by severity, worst first, then by kind, then in the order given."""
    return tuple(sorted(findings, key=lambda finding: _RANKS[finding.kind]))
