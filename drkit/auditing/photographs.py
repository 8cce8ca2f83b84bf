"""Findings about single photographs: unreadable, blank, small, with a light surround, or read with a remark."""

from collections.abc import Iterator

import pandas as pd

from drkit.auditing.findings import Finding, make_finding
from drkit.duplicates.stats import PhotographStats

TINY, SMALL = 64, 224  # pixels per side


def find_poor_photographs(rows: pd.DataFrame, stats: dict[str, PhotographStats]) -> Iterator[Finding]:
    """Find photographs that cannot be read, are blank or small, or have a light surround.

    Args:
        rows: The result of `concat_surveys`.
        stats: Statistics of each photograph, by path.
    """
    for name, path, source in zip(rows["image_id"], rows["path"], rows["source"], strict=True):
        for kind, sentence in [] if pd.isna(path) else _describe_problems(stats[path]):
            yield make_finding(kind, f"{name}: {sentence}", (name,), (path,), (source,))


def _describe_problems(stats: PhotographStats) -> Iterator[tuple[str, str]]:
    if stats.refusal:
        yield "unreadable-photograph", stats.refusal
        return
    width, height = stats.size
    if stats.bits is None:
        yield "blank-photograph", f"all of {stats.path} has one colour"
    if min(stats.size) < SMALL:
        kind = "tiny-photograph" if min(stats.size) < TINY else "small-photograph"
        yield kind, f"{width} x {height} pixels"
    if stats.is_light and stats.bits is not None:
        yield "light-surround", "a white or light surround instead of a black one"
    yield from ((remark.kind, remark.sentence) for remark in stats.remarks)
