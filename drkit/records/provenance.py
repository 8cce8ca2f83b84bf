"""Provenance of files: hashes, which are equal for equal work, and circumstances, which differ."""

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

METADATA_KEY = "drkit"  # a single key, because safetensors writes several in random order


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(record: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces, so that equal records give equal texts."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def circumstances() -> dict[str, Any]:
    """When, where and with which versions a file was made; for JSON records only, as it differs for equal work."""
    return {
        "command": shlex.join(["drkit", *sys.argv[1:]]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "drkit_version": drkit.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
