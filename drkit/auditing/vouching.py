"""Files that a record vouches for, and that are not what they were."""

from collections.abc import Iterator
from pathlib import Path

from drkit.auditing.findings import Finding, make_finding
from drkit.records.provenance import sha256_file
from drkit.records.runs import read_vouched


def find_changed_files(record: Path) -> Iterator[Finding]:
    """Files that are gone or were changed since a run's, an ensemble's or a comparison's JSON was written.

    Raises:
        InputError: it is none of these.
    """
    for path, sha256 in read_vouched(record).items():
        if not path.is_file():
            yield make_finding(
                "changed-file", f"{record} vouches for {path}, which is not there", (), (), (str(record),)
            )
        elif sha256_file(path) != sha256:
            sentence = f"{path} was changed after {record} was made of it or for it"
            yield make_finding("changed-file", sentence, (), (), (str(record),))
