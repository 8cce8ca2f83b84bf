"""NAME.comparison.json: how runs compare, and of which predictions files that was found."""

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
        content: What was found, as JSON's types.
        compared: The predictions files that were compared; they are named relative to `path`, with their hashes.
        force: Overwrite one that is there.
    """
    record = {
        "schema_version": SCHEMA_VERSION,
        "files": {Path(os.path.relpath(file, path.parent)).as_posix(): sha256_file(file) for file in compared},
        **content,
        "made": circumstances(),
    }
    write_bytes(path, (json.dumps(record, indent=1) + "\n").encode(), force=force)
