"""Decode photographs at a fraction of their size if the file type allows it: for comparisons, not for grading."""

from drkit.images.decoders import Decoded
from drkit.images.decoders.jpeg import read_jpeg_size
from drkit.images.files import decode_with_remarks

_REDUCTIONS = (8, 4, 2)


def decode_reduced(content: bytes, name: str, at_least: int) -> tuple[Decoded, tuple[int, int]]:
    """Decode a JPEG at a half, a quarter or an eighth of its size if the shorter side stays long enough.

    Other file types are decoded at full size.

    Args:
        content: The whole file.
        name: Name of the photograph in error messages.
        at_least: Least length of the shorter side in pixels.

    Returns:
        The smaller photograph, upright, and the width and height of the original (rounded up by at most 7 pixels).

    Raises:
        InputError: as for `drkit.images.files.decode_photograph`.
    """
    side = min(read_jpeg_size(content) or (0,))
    factor = next((factor for factor in _REDUCTIONS if side >= factor * at_least), 1)
    decoded = decode_with_remarks(content, name, factor)
    height, width = decoded.pixels.shape[:2]
    return decoded, (width * factor, height * factor)
