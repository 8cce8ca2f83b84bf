"""NAME.comparison.json: the comparison of runs, with the predictions files that were compared."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drkit.records.atomic import write_bytes
from drkit.records.provenance import circumstances, sha256_file

SCHEMA_VERSION = 1


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
