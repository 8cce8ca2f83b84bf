"""Mutations of records, for tests of their readers."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drkit.errors import DrkitError

VALUES: tuple[Any, ...] = (None, True, -1, 1.5, "", "x", [], [None], {}, {"x": 1}, float("nan"))


def mutations(content: Any) -> Iterator[Any]:
    """Copies of JSON values in which one value is replaced by each of VALUES, or is gone.

    Of long lists only the first value is changed.
    """
    yield from VALUES
    for path in _paths(content):
        for value in (*VALUES, KeyError):
            changed = copy.deepcopy(content)
            parent = changed
            for step in path[:-1]:
                parent = parent[step]
            if value is KeyError:
                del parent[path[-1]]
            else:
                parent[path[-1]] = value
            yield changed


def _paths(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = (
        content.items() if isinstance(content, dict) else enumerate(content[:1]) if isinstance(content, list) else ()
    )
    for key, value in items:
        yield (*before, key)
        yield from _paths(value, (*before, key))


def check_reader(path: Path, original: Any, read: Callable[[], object], write: Callable[[str], object]) -> None:
    """Check that a reader takes or refuses every mutation of a record, each refusal naming the file in one line."""
    refusals = []
    for changed in mutations(original):
        write(json.dumps(changed))
        try:
            read()
        except DrkitError as error:
            refusals.append(str(error))
    assert len(refusals) > len(VALUES) / 2
    assert [sentence for sentence in refusals if "\n" in sentence or path.name not in sentence] == []
