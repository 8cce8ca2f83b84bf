"""Comparisons in JSON: NAME.comparison.json of `drkit attend`, and what `drkit ensemble compare` writes."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drkit.errors import InputError
from drkit.records.atomic import write_bytes
from drkit.records.provenance import circumstances, sha256_file

SCHEMA_VERSION = 1
OF_ENSEMBLES = "comparison of ensembles"  # `kind` of what `drkit ensemble compare` writes


def write_comparison(path: Path, content: Mapping[str, Any], compared: Sequence[Path], *, force: bool) -> None:
    """Write a comparison.

    Args:
        path: `NAME.comparison.json`.
        content: The results, as types of JSON.
        compared: The predictions files that were compared; recorded relative to `path`, with their hashes.
        force: Overwrite an existing comparison.
    """
    record = {
        "schema_version": SCHEMA_VERSION,
        "files": {Path(os.path.relpath(file, path.parent)).as_posix(): sha256_file(file) for file in compared},
        **content,
        "made": circumstances(),
    }
    write_bytes(path, (json.dumps(record, indent=1) + "\n").encode(), force=force)


def read_json_record(path: Path) -> dict[str, Any]:
    """Read a JSON file that a command wrote.

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
