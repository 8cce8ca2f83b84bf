"""Where a file came from: hashes that are the same for the same work, circumstances that are not."""

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import drkit

METADATA_KEY = "drkit"  # the one key: safetensors writes several in random order


def sha256_bytes(content: bytes) -> str:
    """Hash of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(record: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces: equal records are equal texts."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def circumstances() -> dict[str, Any]:
    """How a file was made: what differs between two runs of the same work, so only for the JSON beside it."""
    return {
        "command": shlex.join(["drkit", *sys.argv[1:]]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "drkit_version": drkit.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
