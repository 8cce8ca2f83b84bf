"""Comparisons in JSON: NAME.comparison.json of `drkit attend`, and what `drkit ensemble compare` writes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drkit.records.json_records import write_json_record
from drkit.records.provenance import sha256_file

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
    files = {Path(os.path.relpath(file, path.parent)).as_posix(): sha256_file(file) for file in compared}
    write_json_record(path, {"schema_version": SCHEMA_VERSION, "files": files, **content}, force=force)
