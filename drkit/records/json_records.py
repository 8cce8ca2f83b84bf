"""Records: JSON files that say what a command made, and under which circumstances."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drkit.errors import InputError
from drkit.records.atomic import write_bytes
from drkit.records.provenance import circumstances


def write_json_record(path: Path, content: Mapping[str, Any], *, force: bool) -> None:
    """Write a record and, under its last key `made`, the circumstances.

    Args:
        path: The JSON file.
        content: The record, as types of JSON without NaN.
        force: Overwrite an existing file.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    text = json.dumps({**content, "made": circumstances()}, indent=1, allow_nan=False)
    write_bytes(path, f"{text}\n".encode(), force=force)


def read_json_record(path: Path) -> dict[str, Any]:
    """Read a record of any command.

    Raises:
        InputError: the file cannot be read, or does not hold one JSON object.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a record of drkit: {error}") from None
    if not isinstance(record, dict):
        raise InputError(f"{path} is not a record of drkit: expected one JSON object")
    return record
