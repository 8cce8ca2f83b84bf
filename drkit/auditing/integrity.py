"""Files that are missing or no longer match the SHA-256 in a record."""

from collections.abc import Iterator
from pathlib import Path

from drkit.auditing.findings import Finding, make_finding
from drkit.records.provenance import sha256_file
from drkit.records.runs import read_checksums


def find_changed_files(record: Path) -> Iterator[Finding]:
    """Find files that are missing or were changed after the JSON of a run, ensemble or comparison was written.

    Raises:
        InputError: the JSON is none of these.
    """
    for path, sha256 in read_checksums(record).items():
        if not path.is_file():
            yield make_finding("changed-file", f"{record} lists {path}, which does not exist", (), (), (str(record),))
        elif sha256_file(path) != sha256:
            sentence = f"{path} does not match its SHA-256 in {record}: it was changed afterwards"
            yield make_finding("changed-file", sentence, (), (), (str(record),))
