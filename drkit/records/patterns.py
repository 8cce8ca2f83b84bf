"""File patterns that reached the program because the shell left them alone (quotes, Windows)."""

import glob
from collections.abc import Iterable
from pathlib import Path

from drkit.errors import InputError


def expand_patterns(paths: Iterable[Path]) -> list[Path]:
    """Expand each `*`, `?` or `[...]` that the shell left alone; each path once, in the order given.

    Raises:
        InputError: a pattern that fits no file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.exists() or not glob.has_magic(str(path)):
            found[path] = None
            continue
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - takes absolute patterns too
        if not matches:
            raise InputError(f"no file fits the pattern {path}")
        found.update(dict.fromkeys(Path(match) for match in matches))
    return list(found)
