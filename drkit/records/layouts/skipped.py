"""Files of data sets that cannot be read, and how to make them readable."""

from collections.abc import Iterable
from pathlib import Path

from drkit.errors import first_few

# Types of files that come with data sets and are not photographs.
COMPANIONS = frozenset(
    (
        ".bib", ".css", ".csv", ".db", ".doc", ".docx", ".dvc", ".gz", ".htm", ".html", ".ini", ".ipynb", ".js",
        ".json", ".jsonl", ".lnk", ".log", ".m", ".md", ".md5", ".odt", ".parquet", ".part", ".pdf", ".pkl", ".ppt",
        ".pptx", ".py", ".r", ".rar", ".rst", ".sh", ".sha256", ".tar", ".tex", ".tgz", ".toml", ".tsv", ".txt", ".url",
        ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".7z",
    )
)  # fmt: skip
_RAW, _VIDEO = "develop them to TIFF or PNG", "save the frame to be graded as PNG"
_EXPORT, _ARRAY = "export them as PNG or TIFF", "save them as PNG or TIFF of 8 or 16 bits"
_DEVICE = "export them from the camera's software as DICOM, TIFF or JPEG"
_REMEDIES = {
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), _RAW),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".wmv", ".m4v", ".mpg"), _VIDEO),
    **dict.fromkeys((".psd", ".svg", ".eps", ".xcf", ".ai", ".jxl", ".jxr", ".tga", ".pcx", ".exr", ".hdr"), _EXPORT),
    **dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".nii", ".mha", ".mhd", ".raw", ".fits"), _ARRAY),
    **dict.fromkeys((".fda", ".fds", ".e2e", ".vol", ".oct", ".img"), _DEVICE),
}
_STARTS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "DICOM": ".dcm"}


def describe_skipped(paths: Iterable[str]) -> str:
    """Describe files that may be photographs but are not read; empty if there are none.

    Args:
        paths: Files without the suffix of a photograph.
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        if Path(path).suffix.lower() not in COMPANIONS and (kind := _name_kind(path))[0]:
            kinds.setdefault(kind, []).append(Path(path).name)
    if not kinds:
        return ""
    listed = [
        f"{len(names)} {kind} ({names[0]}){f': {remedy}' if remedy else ''}" for (kind, remedy), names in kinds.items()
    ]
    return f"files that are not read: {first_few(sorted(listed))}"


def describe_unread(path: str) -> str:
    """Describe a file that is listed in a table but cannot be read."""
    kind, remedy = _name_kind(path)
    return f"{Path(path).name} exists, but such files ({kind or 'no suffix'}) are not read{remedy and f': {remedy}'}"


def _name_kind(path: str) -> tuple[str, str]:
    """Return the kind of a file and how to make it readable; both are empty for an unknown file without a suffix."""
    suffix = Path(path).suffix.lower()
    if suffix in _REMEDIES:
        return suffix, _REMEDIES[suffix]
    if kind := _kind_by_content(path):
        return f"{kind} {suffix or 'without a suffix'}", f"rename them to {_SUFFIXES[kind]}"
    return suffix, ""


def _kind_by_content(path: str) -> str | None:
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return None
    if start[128:] == b"DICM":
        return "DICOM"
    return next((kind for mark, kind in _STARTS.items() if start.startswith(mark)), None)
