"""Photographs that cannot be read, show nothing, are small, have a light surround, or were read with a remark."""

from collections.abc import Iterator

import pandas as pd

from drkit.auditing.findings import Finding, finding_about
from drkit.duplicates.stats import PhotographStats

TINY, SMALL = 64, 224  # pixels a side


def find_poor_photographs(rows: pd.DataFrame, stats: dict[str, PhotographStats]) -> Iterator[Finding]:
    """Photographs that cannot be read, are blank or small, or have a light surround.

    Args:
        rows: As `concat_surveys` returns them.
        stats: Statistics of each photograph, by path.
    """
    for position, (name, path) in enumerate(zip(rows["image_id"], rows["path"], strict=True)):
        for kind, sentence in [] if pd.isna(path) else _judge(stats[path]):
            yield finding_about(kind, f"{name}: {sentence}", rows.iloc[[position]])


def _judge(stats: PhotographStats) -> Iterator[tuple[str, str]]:
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
