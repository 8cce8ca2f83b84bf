"""A picture of photographs before and after augmentation by a policy."""

import textwrap
from collections.abc import Sequence

import numpy as np
import torch

from drkit.data.augmentation import Policy, describe_policy, draw
from drkit.data.rendering import InputFormat, render
from drkit.images.files import Photograph
from drkit.images.lettering import LETTER, LINE, PAPER, draw_lines

GAP = 4  # pixels
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
    """Draw one row per photograph: without augmentation, and then as a training sees it in epochs 1, 2, 3 ...

    Args:
        photographs: uint8 (K, S, S, 3) RGB, at least one.
        policy: Augmentation policy.
        input_format: Input format of the network; its side is that of a tile, and its normalisation is not applied.
        seed: Random seed of the training.
        copies: Number of augmented photographs per row.
        title: Name of the policy, for the header.
        image_ids: Ids (K) of the photographs. With them the augmented photographs are those that a training with this
            seed sees. Default: numbers.

    Returns:
        Picture, uint8 (H, W, 3) RGB: a header with title, seed and values, then K rows of 1 + copies tiles.
    """
    names = image_ids or [str(number) for number in range(len(photographs))]
    shown = InputFormat(input_format.side, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    columns = [render(photographs, shown, _CPU)]
    for epoch in range(1, copies + 1):
        columns.append(render(photographs, shown, _CPU, draw(policy, names, seed, epoch, photographs.shape[1])))
    tiles = (torch.stack(columns, 1) * 255).round().byte().permute(0, 1, 3, 4, 2).numpy()  # (K, 1 + copies, h, w, 3)
    gap = ((0, GAP), (0, GAP), (0, 0))  # below and to the right of each tile
    rows = np.vstack([np.hstack([np.pad(tile, gap, constant_values=PAPER) for tile in row]) for row in tiles])
    header = f"{title}, seed {seed}: {describe_policy(policy)}. First column: not augmented."
    lines = textwrap.wrap(header, max(8, rows.shape[1] // LETTER))
    return np.vstack([draw_lines(lines, rows.shape[1], len(lines) * LINE + GAP), rows])
