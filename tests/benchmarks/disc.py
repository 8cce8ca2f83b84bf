"""Finding the fundus disc: what it costs beside decoding and encoding, and how often an earlier drkit said the same.

    python tests/benchmarks/disc.py [FOLDER OF DATA SETS] [--commit COMMIT]

The earlier answers are worked out by the code of COMMIT, taken from the repository's history. Code from before discs
of more than 1.35 times one side were known is told of 1.6 times, lest it find circles in them.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
from timing import best_time, build_parser

from drkit.config.synth import SynthConfig
from drkit.images.disc import NoDiscError, find_disc
from drkit.images.files import decode_photograph, encode_photograph
from drkit.recipes.synth import run_synth

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
COMMIT = "52a256e"
SAMPLED = 60  # photographs of each data set that are timed
ROUNDS = 7  # the fastest counts, because the others were disturbed
SAME_RADIUS = 0.01

Answer = list[float] | None  # x, y, radius_x, radius_y


def find_all(paths: list[str], widest: float | None = None) -> list[Answer]:
    """Position and radii of each photograph's disc."""
    import drkit.images.ellipses as ellipses

    ellipses.MAX_ASPECT = widest or ellipses.MAX_ASPECT
    return [_find(decode_photograph(Path(path).read_bytes(), path)) for path in paths]


def find_all_at(commit: str, paths: list[str]) -> list[Answer]:
    """The same with the code of a commit, in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", commit, "drkit"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", folder], input=packed, check=True)
        code = (
            f"import json, runpy, sys; sys.path[:0] = [{folder!r}, {str(Path(__file__).parent)!r}];"
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


def main() -> None:
    """Print both figures for each data set and for all together."""
    parser = build_parser(__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--commit", default=COMMIT)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.quick:
            run_synth(SynthConfig(out=Path(folder) / "eyes", patients=5, size=64))
            compare(Path(folder), "HEAD", rounds=1)
        else:
            compare(options.data, options.commit, ROUNDS)


def compare(data: Path, commit: str, rounds: int) -> None:
    """Print a row for each folder in `data`, and one for all."""
    files = [path for path in sorted(data.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg")]
    by_set: dict[str, list[str]] = defaultdict(list)
    for path in files:
        by_set[path.relative_to(data).parts[0]].append(str(path))
    spent, counted = [0.0, 0.0], [0, 0]
    for name, paths in by_set.items():
        same = [is_same(one, other) for one, other in zip(find_all(paths), find_all_at(commit, paths), strict=True)]
        times = [_time(path, rounds) for path in paths[:: max(len(paths) // SAMPLED, 1)]]
        found, limit = (sum(column) / len(times) for column in zip(*times, strict=True))
        _tell(name, len(paths), sum(same) / len(same), found, limit)
        spent = [spent[0] + found * len(paths), spent[1] + limit * len(paths)]
        counted = [counted[0] + sum(same), counted[1] + len(same)]
    _tell("all", counted[1], counted[0] / counted[1], spent[0] / counted[1], spent[1] / counted[1])


def _time(path: str, rounds: int) -> tuple[float, float]:
    """Seconds to find the disc, and to decode and encode the photograph."""
    content = Path(path).read_bytes()
    photograph = decode_photograph(content, path)
    limit = best_time(lambda: decode_photograph(content, path), rounds)
    limit += best_time(lambda: encode_photograph(photograph, ".jpg"), rounds)
    return best_time(lambda: _find(photograph), rounds), limit


def _tell(name: str, num_photographs: int, same: float, found: float, limit: float) -> None:
    print(
        f"{name:20} {num_photographs:6} photographs   {same:7.2%} as before   {found * 1e3:5.2f} ms,"
        f" {found / limit:4.2f} times decoding and encoding"
    )


if __name__ == "__main__":
    main()
