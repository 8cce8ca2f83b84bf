"""Finding the fundus disc: what it costs beside decoding and encoding, and how often an earlier drkit said the same.

    python tests/benchmarks/disc.py [FOLDER OF DATA SETS] [COMMIT]

The earlier answers are worked out by the code of COMMIT, taken from the repository's history. Code from before discs
of more than 1.35 times one side were known is told of 1.6 times, lest it find circles in them.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from drkit.images.disc import NoDiscError, find_disc
from drkit.images.files import decode_photograph, encode_photograph

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
COMMIT = "52a256e"
SAMPLED = 60  # photographs of each data set that are timed
ROUNDS = 7  # of which the fastest counts: the others were disturbed
SAME_RADIUS = 0.01

Answer = list[float] | None  # x, y, radius_x, radius_y


def find_all(paths: list[str], widest: float | None = None) -> list[Answer]:
    """Where the disc of each photograph lies."""
    import drkit.images.ellipses as ellipses

    ellipses.MAX_ASPECT = widest or ellipses.MAX_ASPECT
    return [_find(decode_photograph(Path(path).read_bytes(), path)) for path in paths]


def find_all_at(commit: str, paths: list[str]) -> list[Answer]:
    """The same by the code of a commit, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", commit, "drkit"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", folder], input=packed, check=True)
        code = (
            f"import json, runpy, sys; sys.path.insert(0, {folder!r});"
            f" find_all = runpy.run_path({__file__!r})['find_all'];"
            " print(json.dumps(find_all(json.load(sys.stdin), 1.6)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], input=json.dumps(paths), capture_output=True, text=True, check=True
        )
    answers: list[Answer] = json.loads(done.stdout)
    return answers


def _find(photograph: Any) -> Answer:
    try:
        disc = find_disc(photograph)
    except NoDiscError:
        return None
    return [disc.x, disc.y, disc.radius_x, disc.radius_y]


def is_same(one: Answer, other: Answer) -> bool:
    """Whether both find a disc whose radii differ by 1 % or less, or neither does."""
    if one is None or other is None:
        return one is other
    return all(abs(a / b - 1) <= SAME_RADIUS for a, b in zip(one[2:], other[2:], strict=True))


def time_best(work: Callable[[], object]) -> float:
    """Seconds of the fastest round."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print both figures for each data set and for all together."""
    cv2.setNumThreads(1)
    data, commit = (Path(sys.argv[1]) if len(sys.argv) > 1 else DATA), (sys.argv[2] if len(sys.argv) > 2 else COMMIT)
    files = [path for path in sorted(data.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg")]
    by_set: dict[str, list[str]] = defaultdict(list)
    for path in files:
        by_set[path.relative_to(data).parts[0]].append(str(path))
    spent, counted = [0.0, 0.0], [0, 0]
    for name, paths in by_set.items():
        same = [is_same(one, other) for one, other in zip(find_all(paths), find_all_at(commit, paths), strict=True)]
        times = [_time(path) for path in paths[:: max(len(paths) // SAMPLED, 1)]]
        found, limit = (sum(column) / len(times) for column in zip(*times, strict=True))
        _tell(name, len(paths), sum(same) / len(same), found, limit)
        spent = [spent[0] + found * len(paths), spent[1] + limit * len(paths)]
        counted = [counted[0] + sum(same), counted[1] + len(same)]
    _tell("all", counted[1], counted[0] / counted[1], spent[0] / counted[1], spent[1] / counted[1])


def _time(path: str) -> tuple[float, float]:
    """Seconds to find the disc, and to decode and encode the photograph."""
    content = Path(path).read_bytes()
    photograph = decode_photograph(content, path)
    limit = time_best(lambda: decode_photograph(content, path)) + time_best(
        lambda: encode_photograph(photograph, ".jpg")
    )
    return time_best(lambda: _find(photograph)), limit


def _tell(name: str, num_photographs: int, same: float, found: float, limit: float) -> None:
    print(
        f"{name:20} {num_photographs:6} photographs   {same:7.2%} as before   {found * 1e3:5.2f} ms,"
        f" {found / limit:4.2f} times decoding and encoding"
    )


if __name__ == "__main__":
    main()
