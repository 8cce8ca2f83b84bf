"""Expansion of file patterns that the shell did not expand (quoted ones, and all on Windows)."""

import glob
from collections.abc import Iterable
from pathlib import Path

from drkit.errors import InputError


def expand_patterns(paths: Iterable[Path]) -> list[Path]:
    """Expand `*`, `?` and `[...]`; paths keep their order, without repetitions.

    Raises:
        InputError: a pattern matches no file.
    """
    expanded: dict[Path, None] = {}
    for path in paths:
        if path.exists() or not glob.has_magic(str(path)):
            expanded[path] = None
            continue
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - pathlib takes no absolute patterns
        if not matches:
            raise InputError(f"no file matches the pattern {path}")
        expanded.update(dict.fromkeys(Path(match) for match in matches))
    return list(expanded)
