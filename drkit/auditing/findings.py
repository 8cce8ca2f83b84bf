"""What an audit can find, how bad it is, and one thing found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import pandas as pd

from drkit.records.layouts.remarks import Remark
from drkit.records.layouts.survey import Flaw

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
FailOn = Literal["error", "warning", "never"]
# With these `drkit check` ends with exit code 1.
FAILING: Mapping[FailOn, tuple[Severity, ...]] = {"error": ("error",), "warning": ("error", "warning"), "never": ()}


@dataclass(frozen=True)
class Kind:
    """A kind of finding: how bad, and what it means in a line."""

    severity: Severity
    meaning: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "missing-photograph": Kind("error", "a table lists a photograph that is not there"),
        "unlocatable-photograph": Kind("error", "several files fit a photograph, or it lies outside the data set"),
        "unreadable-photograph": Kind("error", "no photograph, damaged, cut off, or below 16 pixels a side"),
        "blank-photograph": Kind("error", "nothing is to be seen"),
        "empty-id": Kind("error", "a row without an id or a path"),
        "id-twice": Kind("error", "one id names several rows"),
        "grade-off-scale": Kind("error", "a grade that is not 0-4 (nor 5, cannot be graded)"),
        "two-eyes-graded": Kind("error", "one photograph has two different eye grades"),
        "unknown-word": Kind("error", "a cell that cannot be understood"),
        "contradicting-eye-grade": Kind("error", "photographs of one eye have different eye grades"),
        "contradicting-patient-grade": Kind("error", "photographs of one patient have different patient grades"),
        "contradicting-grades": Kind("error", "copies of one photograph have different grades"),
        "patient-across-splits": Kind("error", "a patient is in several splits of a data set"),
        "identical-across-splits": Kind("error", "the same file is in several splits"),
        "near-duplicate-across-splits": Kind(
            "error", "one photograph, saved anew or taken again at once, is in several splits"
        ),
        "trained-on-photograph": Kind("error", "a run was trained on a photograph of split val or test"),
        "trained-on-row": Kind("error", "a prediction for a photograph that the model was trained on"),
        "changed-file": Kind("error", "a file does not match its SHA-256 in the JSON of a run, ensemble or comparison"),
        "contradicting-references": Kind("error", "files state different reference grades of one photograph"),
        "contradicting-splits": Kind("error", "files put one photograph into different splits"),
        "wrong-columns": Kind("error", "a submission's columns are not those of the sample (else ID and TARGET)"),
        "id-missing": Kind("error", "the sample asks for an id that the submission lacks"),
        "id-surplus": Kind("error", "the submission answers an id that the sample does not ask for"),
        "side-conflict": Kind("warning", "the file name says one eye, the table the other"),
        "patient-grade-against-eyes": Kind("warning", "the patient's grade is not that of the worse eye"),
        "identical-photographs": Kind("warning", "one file stands under several ids"),
        "near-duplicates": Kind("warning", "one photograph, saved anew or taken again at once, has several ids"),
        "identical-across-data-sets": Kind("warning", "data sets share a file"),
        "near-duplicate-across-data-sets": Kind("warning", "data sets share a photograph, saved anew"),
        "decoder-warning": Kind("warning", "a decoder complained of a photograph that it read: it may be damaged"),
        "tiny-photograph": Kind("warning", "below 64 pixels a side: lesions are lost"),
        "small-photograph": Kind("note", "below 224 pixels a side, the usual network's input"),
        "depth-inferred": Kind("note", "the bit depth was guessed from the largest value: it may be too bright"),
        "first-of-several": Kind("note", "a file of several pages or frames: the first is read"),
        "bytes-behind-end": Kind("note", "bytes behind the photograph's end are not read"),
        "light-surround": Kind("note", "the surround of the fundus disc is white or light"),
        "doubtful-scale": Kind("warning", "grades that look like those of another scale than ICDR 0-4"),
        "files-skipped": Kind("warning", "files beside the photographs that may show eyes and are not read"),
        "folders-unread": Kind("warning", "folders that look like classes, but are not all of the ICDR scale"),
        "patients-unknown": Kind("note", "nothing tells whose photographs these are: each is its own patient's"),
        "patients-respelled": Kind("note", "patients that are written in several ways: each is one"),
        "patients-from-names": Kind("note", "patients that no table states are told by the photographs' names"),
        "columns-guessed": Kind("note", "which columns, or folders, were taken for what"),
        "columns-unread": Kind("note", "columns that are not read"),
        "graded-twice": Kind("note", "agreement between the grades of photographs that were graded under several ids"),
        "ungradable": Kind("note", "grade 5, cannot be graded: never trained on"),
        "views-saved-twice": Kind("note", "two views of one eye are one photograph saved twice"),
        "views-alike": Kind("note", "two views of one eye that hardly differ: saved anew, or taken within seconds"),
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


def finding_of_flaw(flaw: Flaw, source: str) -> Finding:
    """A flaw of a data set's tables as a finding."""
    return make_finding(flaw.kind, flaw.sentence, flaw.image_ids, (), (source,))


def finding_of_remark(remark: Remark, source: str) -> Finding:
    """What is to be said of how a data set was read, as a finding."""
    return make_finding(remark.kind, f"{source}: {remark.sentence}", (), (), (source,))


def by_severity(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Worst first, kinds together, else in the order given."""
    return tuple(sorted(findings, key=lambda finding: _RANKS[finding.kind]))
