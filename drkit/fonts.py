"""Fonts for letters of any script in pictures, and a warning about letters that no font has."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from drkit.errors import first_few
from drkit.progress import warn

PLAIN_FONT = "DejaVu Sans"  # comes with Matplotlib
# Fonts for other scripts on common systems; a letter is drawn with the first font that has it.
OTHER_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR", "Source Han Sans SC",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Microsoft YaHei", "SimHei", "Yu Gothic", "Meiryo", "Malgun Gothic",
    "PingFang SC", "PingFang HK", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS", "Nirmala UI",
    "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Thai",
    "Segoe UI", "Tahoma",
)  # fmt: skip
_REPORTED: set[str] = set()  # letters, each of which is reported once per process
_MISSING = re.compile(r"Glyph (\d+) .* missing from")


@cache
def font_families() -> tuple[str, ...]:
    """Matplotlib's own font, then those of `OTHER_FONTS` that this machine has."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (PLAIN_FONT, *(name for name in OTHER_FONTS if name in installed))


@contextmanager
def warning_of_missing_letters(picture: str) -> Iterator[None]:
    """Warn in one line about letters of a picture, drawn inside the block, that no font has.

    Args:
        picture: Name of the picture, for the message.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    matches = [_MISSING.match(str(item.message)) for item in caught]
    for item in [item for item, match in zip(caught, matches, strict=True) if not match]:
        warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)
    letters = [
        letter for letter in dict.fromkeys(chr(int(match[1])) for match in matches if match) if letter not in _REPORTED
    ]
    _REPORTED.update(letters)
    if letters:
        warn(
            f"{picture}: {len(letters)} letters are drawn as boxes, because no installed font has them:"
            f" {first_few(letters)}: install a font that does, such as Noto Sans CJK, or use other names"
        )
