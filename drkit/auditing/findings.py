"""What an audit can find, how bad it is, and one thing found."""

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
    """A kind of finding: how bad, and what it means in a line."""

    severity: Severity
    meaning: str


KINDS: Mapping[str, FindingKind] = MappingProxyType(
    {
        "missing-photograph": FindingKind("error", "a table lists a photograph that is not there"),
        "unlocatable-photograph": FindingKind(
            "error", "several files fit a photograph, or it lies outside the data set"
        ),
        "unreadable-photograph": FindingKind("error", "no photograph, damaged, cut off, or below 16 pixels a side"),
        "blank-photograph": FindingKind("error", "nothing is to be seen"),
        "empty-id": FindingKind("error", "a row without an id or a path"),
        "id-twice": FindingKind("error", "one id names several rows"),
        "grade-off-scale": FindingKind("error", "a grade that is not 0-4 (nor 5, cannot be graded)"),
        "two-eyes-graded": FindingKind("error", "one photograph has two different eye grades"),
        "unknown-word": FindingKind("error", "a cell that cannot be understood"),
        "contradicting-eye-grade": FindingKind("error", "photographs of one eye have different eye grades"),
        "contradicting-patient-grade": FindingKind("error", "photographs of one patient have different patient grades"),
        "contradicting-grades": FindingKind("error", "copies of one photograph have different grades"),
        "patient-across-splits": FindingKind("error", "a patient is in several splits of a data set"),
        "identical-across-splits": FindingKind("error", "the same file is in several splits"),
        "near-duplicate-across-splits": FindingKind(
            "error", "one photograph, saved anew or taken again at once, is in several splits"
        ),
        "trained-on-photograph": FindingKind("error", "a run was trained on a photograph of split val or test"),
        "trained-on-row": FindingKind("error", "a prediction for a photograph that the model was trained on"),
        "changed-file": FindingKind(
            "error", "a file does not match its SHA-256 in the JSON of a run, ensemble or comparison"
        ),
        "contradicting-references": FindingKind("error", "files state different reference grades of one photograph"),
        "contradicting-splits": FindingKind("error", "files put one photograph into different splits"),
        "wrong-columns": FindingKind(
            "error", "a submission's columns are not those of the sample (else ID and TARGET)"
        ),
        "id-missing": FindingKind("error", "the sample asks for an id that the submission lacks"),
        "id-surplus": FindingKind("error", "the submission answers an id that the sample does not ask for"),
        "side-conflict": FindingKind("warning", "the file name says one eye, the table the other"),
        "patient-grade-against-eyes": FindingKind("warning", "the patient's grade is not that of the worse eye"),
        "identical-photographs": FindingKind("warning", "one file stands under several ids"),
        "near-duplicates": FindingKind("warning", "one photograph, saved anew or taken again at once, has several ids"),
        "identical-across-data-sets": FindingKind("warning", "data sets share a file"),
        "near-duplicate-across-data-sets": FindingKind("warning", "data sets share a photograph, saved anew"),
        "decoder-warning": FindingKind(
            "warning", "a decoder complained of a photograph that it read: it may be damaged"
        ),
        "tiny-photograph": FindingKind("warning", "below 64 pixels a side: lesions are lost"),
        "small-photograph": FindingKind("note", "below 224 pixels a side, the usual network's input"),
        "depth-inferred": FindingKind("note", "the bit depth was guessed from the largest value: it may be too bright"),
        "first-of-several": FindingKind("note", "a file of several pages or frames: the first is read"),
        "bytes-behind-end": FindingKind("note", "bytes behind the photograph's end are not read"),
        "light-surround": FindingKind("note", "the surround of the fundus disc is white or light"),
        "doubtful-scale": FindingKind("warning", "grades that look like those of another scale than ICDR 0-4"),
        "files-skipped": FindingKind("warning", "files beside the photographs that may show eyes and are not read"),
        "folders-unread": FindingKind("warning", "folders that look like classes, but are not all of the ICDR scale"),
        "patients-unknown": FindingKind("note", "nothing tells whose photographs these are: each is its own patient's"),
        "patients-respelled": FindingKind("note", "patients that are written in several ways: each is one"),
        "patients-from-names": FindingKind("note", "patients that no table states are told by the photographs' names"),
        "columns-guessed": FindingKind("note", "which columns, or folders, were taken for what"),
        "columns-unread": FindingKind("note", "columns that are not read"),
        "graded-twice": FindingKind(
            "note", "agreement between the grades of photographs that were graded under several ids"
        ),
        "ungradable": FindingKind("note", "grade 5, cannot be graded: never trained on"),
        "views-saved-twice": FindingKind("note", "two views of one eye are one photograph saved twice"),
        "views-alike": FindingKind(
            "note", "two views of one eye that hardly differ: saved anew, or taken within seconds"
        ),
    }
)
_RANKS = {name: (SEVERITIES.index(kind.severity), rank) for rank, (name, kind) in enumerate(KINDS.items())}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Args:
        severity: error (breaks or falsifies results), warning (likely a mistake), note.
        kind: A key of `KINDS`.
        sentence: Where and what.
        ids: Every image id (or patient's photographs' ids) concerned.
        paths: Of their photographs, where there are any, in the order of `ids`.
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
    """A finding with the severity of its kind."""
    named = tuple(dict.fromkeys(str(source) for source in sources))
    return Finding(KINDS[kind].severity, kind, sentence, tuple(map(str, ids)), tuple(map(str, paths)), named)


def finding_about(kind: str, sentence: str, rows: pd.DataFrame) -> Finding:
    """A finding about rows of `concat_surveys`."""
    return make_finding(kind, sentence, rows["image_id"], rows["path"].dropna(), rows["source"])


def finding_of_flaw(flaw: DatasetProblem, source: str) -> Finding:
    """A flaw of a data set's tables as a finding."""
    return make_finding(flaw.kind, flaw.sentence, flaw.image_ids, (), (source,))


def finding_of_remark(remark: DatasetRemark, source: str) -> Finding:
    """What is to be said of how a data set was read, as a finding."""
    return make_finding(remark.kind, f"{source}: {remark.sentence}", (), (), (source,))


def by_severity(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Worst first, kinds together, else in the order given."""
    return tuple(sorted(findings, key=lambda finding: _RANKS[finding.kind]))
