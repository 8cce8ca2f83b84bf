"""What is said of files that were read, but not without a remark."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from drkit.errors import first_few
from drkit.images.decoders import FileRemark, FileRemarkKind
from drkit.progress import notify, warn

_SHOWN = 3
_DOUBTS: dict[FileRemarkKind, str] = {
    "decoder-warning": "{} may be damaged",
    "depth-inferred": "the bit depth of {} was guessed from the largest value",
    "first-of-several": "{} are the first of several in their files",
}


def tell_of_files(remarks: Mapping[str, Sequence[FileRemark]]) -> None:
    """Say, once a kind, how many photographs there is a doubt about, and name a few.

    Args:
        remarks: Path of a file to what its decoder remarked.
    """
    for kind, doubt in _DOUBTS.items():
        found = {path: each.sentence for path, known in sorted(remarks.items()) for each in known if each.kind == kind}
        if found:
            named = first_few([f"{Path(path).name} ({sentence})" for path, sentence in found.items()], _SHOWN)
            tell = warn if kind == "decoder-warning" else notify
            tell(f"{doubt.format(_count(len(found)))}: {named}")


def _count(number: int) -> str:
    return f"{number} photograph{'s' * (number != 1)}"
