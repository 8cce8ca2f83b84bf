"""An ensemble's record: the JSON beside its predictions file, which tells it from a run."""

import json
from pathlib import Path

from drkit.records.runs import FILE_SUFFIX

KIND = "ensemble"


def record_path(path: Path) -> Path:
    """Path of an ensemble's JSON, given its stem or any of its files."""
    return path.with_name(FILE_SUFFIX.sub("", path.name) + ".json")


def is_ensemble(path: Path) -> bool:
    """Whether a stem or file belongs to an ensemble rather than a run."""
    source = record_path(path)
    try:
        record = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("kind") == KIND
