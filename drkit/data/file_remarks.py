"""Messages about photographs that were read, but about which a decoder reported something."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from drkit.errors import first_few
from drkit.images.decoders import FileRemark, FileRemarkKind
from drkit.progress import notify, warn

_SHOWN = 3
_DOUBTS: dict[FileRemarkKind, str] = {
    "decoder-warning": "{} may be damaged",
    "depth-inferred": "the bit depth of {} was inferred from the largest value",
    "first-of-several": "only the first page or frame of {} was read",
}


def report_file_remarks(remarks: Mapping[str, Sequence[FileRemark]]) -> None:
    """Print one message per kind of remark, with the number of photographs and a few of their names.

    Args:
        remarks: Remarks of the decoder, by path of the file.
    """
    for kind, doubt in _DOUBTS.items():
        sentences = {
            path: each.sentence for path, of_file in sorted(remarks.items()) for each in of_file if each.kind == kind
        }
        if sentences:
            listed = first_few([f"{Path(path).name} ({sentence})" for path, sentence in sentences.items()], _SHOWN)
            count = f"{len(sentences)} photograph{'s' * (len(sentences) != 1)}"
            report = warn if kind == "decoder-warning" else notify
            report(f"{doubt.format(count)}: {listed}")
