"""Draw text into pictures."""

from collections.abc import Sequence

import cv2
import numpy as np

from drkit.images.files import Photograph

LINE = 18  # pixels: height of a line
LETTER = 7  # pixels: approximate width of a letter
PAPER = 255  # grey level


def draw_lines(lines: Sequence[str], width: int, height: int) -> Photograph:
    """Draw lines of text, black on white, from the top of a picture.

    Args:
        lines: The lines; those that are too long are cut off. Letters beyond ASCII become question marks.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels, `LINE` for each line.

    Returns:
        uint8 (height, width, 3) RGB.
    """
    paper = np.full((height, width, 3), PAPER, np.uint8)
    for number, line in enumerate(lines, start=1):
        text = line.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
        cv2.putText(paper, text, (2, number * LINE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return paper
