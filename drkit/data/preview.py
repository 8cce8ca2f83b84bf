"""A sheet to look at: photographs, and what a policy makes of them."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from drkit.data.augmentation import Policy, describe_policy, draw
from drkit.data.rendering import InputFormat, render
from drkit.errors import InputError
from drkit.images.files import Photograph, encode_photograph
from drkit.records.atomic import write_bytes

GAP = 4  # pixels
LINE = 18  # pixels of height a line of text takes
LETTER = 7  # pixels of width, about
PAPER = 255
SUFFIXES = (".png", ".jpg", ".jpeg")
_CPU = torch.device("cpu")


def preview_policy(
    photographs: np.ndarray,
    policy: Policy,
    input_format: InputFormat,
    seed: int,
    copies: int = 7,
    *,
    title: str = "policy",
    image_ids: Sequence[str] | None = None,
) -> Photograph:
    """Draw photographs as a training sees them: a row each, as it is first, then in epochs 1, 2, 3 ...

    Args:
        photographs: uint8 (K, S, S, 3) RGB, at least one.
        policy: What is done to them.
        input_format: Its side is the side of a tile; its normalisation is left out.
        seed: Of the training.
        copies: Changed ones in a row.
        title: How the sheet calls the policy.
        image_ids: Names of the photographs, K; with them the copies are the very ones that a training of this seed
            sees. By default numbers.

    Returns:
        uint8 (H, W, 3) RGB: a strip with title, numbers and seed, then K rows of 1 + copies tiles.
    """
    names = image_ids or [str(number) for number in range(len(photographs))]
    shown = InputFormat(input_format.side, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    columns = [render(photographs, shown, _CPU)]
    for epoch in range(1, copies + 1):
        columns.append(render(photographs, shown, _CPU, draw(policy, names, seed, epoch, photographs.shape[1])))
    tiles = (torch.stack(columns, 1) * 255).round().byte().permute(0, 1, 3, 4, 2).numpy()  # (K, 1 + copies, h, w, 3)
    rows = np.vstack([np.hstack([_frame(tile) for tile in row]) for row in tiles])
    header = f"{title}, seed {seed}: {describe_policy(policy)}. First column: as it is."
    return np.vstack([_write(header, rows.shape[1]), rows])


def write_preview(path: Path, sheet: Photograph, *, force: bool) -> None:
    """Write a sheet as the picture that the suffix of `path` says.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
        InputError: a suffix that is none of a picture's.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is no name for a picture: expected a name that ends in {' or '.join(SUFFIXES[:2])}")
    write_bytes(path, encode_photograph(sheet, path.suffix), force=force)


def _frame(tile: Photograph) -> Photograph:
    """The tile with a gap to the right and below."""
    return np.pad(tile, ((0, GAP), (0, GAP), (0, 0)), constant_values=PAPER)


def _write(text: str, width: int) -> Photograph:
    """A strip (h, width, 3) with the text, on as many lines as it takes."""
    lines = textwrap.wrap(text, max(8, width // LETTER))
    strip = np.full((len(lines) * LINE + GAP, width, 3), PAPER, np.uint8)
    for number, line in enumerate(lines, 1):
        cv2.putText(strip, line, (2, number * LINE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return strip
