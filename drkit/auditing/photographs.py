"""Photographs that cannot be read, show nothing, are small, have a light surround, or were read with a remark."""

from collections.abc import Iterator

import pandas as pd

from drkit.auditing.findings import Finding, finding_about
from drkit.duplicates.looking import Sight

TINY, SMALL = 64, 224  # pixels a side


def find_poor_photographs(rows: pd.DataFrame, sights: dict[str, Sight]) -> Iterator[Finding]:
    """Photographs that cannot be read, are blank or small, or have a light surround.

    Args:
        rows: A roll.
        sights: Of its photographs, by path.
    """
    for position, (name, path) in enumerate(zip(rows["image_id"], rows["path"], strict=True)):
        for kind, sentence in [] if pd.isna(path) else _judge(sights[path]):
            yield finding_about(kind, f"{name}: {sentence}", rows.iloc[[position]])


def _judge(sight: Sight) -> Iterator[tuple[str, str]]:
    if sight.refusal:
        yield "unreadable-photograph", sight.refusal
        return
    width, height = sight.size
    if sight.bits is None:
        yield "blank-photograph", f"all of {sight.path} has one colour"
    if min(sight.size) < SMALL:
        kind = "tiny-photograph" if min(sight.size) < TINY else "small-photograph"
        yield kind, f"{width} x {height} pixels"
    if sight.is_light and sight.bits is not None:
        yield "light-surround", "a white or light surround instead of a black one"
    yield from ((remark.kind, remark.sentence) for remark in sight.remarks)
