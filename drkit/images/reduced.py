"""Photographs decoded at a fraction of their size, where the file type allows it: for looking, not for grading."""

from collections.abc import Iterator

from drkit.images.files import Photograph, decode_photograph

_REDUCTIONS = (8, 4, 2)
_JPEG = b"\xff\xd8"
_NO_FRAME = {0xC4, 0xC8, 0xCC}  # markers among the frame headers C0-CF that are none


def decode_reduced(content: bytes, name: str, at_least: int) -> tuple[Photograph, tuple[int, int]]:
    """Decode a photograph at a half, a quarter or an eighth of its size, if the shorter side stays long enough.

    A JPEG's size is read before it is decoded; every other file type is decoded whole.

    Args:
        content: The whole file.
        name: How to call it in an error.
        at_least: Pixels that the shorter side shall keep.

    Returns:
        uint8 (h, w, 3) RGB, upright, and the whole photograph's width and height (up to the rounding of a
        reduction, at most 7 pixels).

    Raises:
        InputError: as `drkit.images.files.decode_photograph`.
    """
    factor = _reduction(content, at_least)
    photograph = decode_photograph(content, name, factor)
    return photograph, (photograph.shape[1] * factor, photograph.shape[0] * factor)


def _reduction(content: bytes, at_least: int) -> int:
    side = min(_jpeg_size(content), default=0)
    return next((factor for factor in _REDUCTIONS if side >= factor * at_least), 1)


def _jpeg_size(content: bytes) -> tuple[int, ...]:
    """Height and width from a JPEG's frame header; nothing for other files."""
    for marker, start in _segments(content):
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            frame = content[start + 3 : start + 7]  # after the length (2 bytes) and the precision (1)
            return (int.from_bytes(frame[:2], "big"), int.from_bytes(frame[2:], "big"))
    return ()


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Marker and start of each segment of a JPEG before its pixels."""
    at = 2 if content.startswith(_JPEG) else len(content)
    while at + 9 < len(content) and content[at] == 0xFF:
        if content[at + 1] == 0xFF:  # padding
            at += 1
            continue
        yield content[at + 1], at + 2
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
