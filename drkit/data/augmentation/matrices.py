"""The random changes of a photograph as two matrices: 3x3 for its geometry, and 3x4 for its colours."""

from collections.abc import Mapping

import torch
from kornia.geometry.transform import get_affine_matrix2d
from torch import Tensor

from drkit.data.augmentation.policy import Policy

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


def geometry(policy: Policy, drawn: Mapping[str, Tensor], side: int) -> Tensor:
    """Combine crop, flip, turn, zoom, shear and shift into one matrix (B, 3, 3).

    Args:
        policy: Policy with the ranges of the changes.
        drawn: Draws (B,) in [-1, 1) by name. A positive turn is clockwise.
        side: Side of the photographs in pixels.
    """
    turned = happens(drawn["turn_happens"], policy.turn_probability)
    affine = get_affine_matrix2d(
        translations=_pair(drawn, "shift") * policy.shift * side,
        center=torch.full((len(turned), 2), (side - 1) / 2),
        scale=torch.exp(drawn["zoom"] * policy.zoom)[:, None].expand(-1, 2),
        angle=drawn["turn"] * policy.turn * turned,
        sx=torch.deg2rad(drawn["shear_x"] * policy.shear),
        sy=torch.deg2rad(drawn["shear_y"] * policy.shear),
    )
    mirrored = affine @ _mirror(drawn, side) if policy.flip else affine
    return mirrored if policy.crop == policy.enlarge == 1 else mirrored @ _crop(policy, drawn, side)


def colour(policy: Policy, drawn: Mapping[str, Tensor]) -> Tensor:
    """Combine brightness, contrast, saturation and tint into one matrix (B, 3, 4).

    Args:
        policy: Policy with the ranges of the changes.
        drawn: Draws (B,) in [-1, 1) by name.
    """
    brightness = policy.brightness_middle + policy.brightness * drawn["brightness"]
    contrast = 1 + policy.contrast * drawn["contrast"]
    saturation = 1 + policy.saturation * drawn["saturation"]
    # The three tints of a photograph come from two draws and sum to 0, so that tint does not brighten grey pixels.
    tilt = torch.stack([drawn["tint_red"], torch.zeros(len(brightness)), drawn["tint_blue"]], 1)  # (B, 3)
    tint = 1 + policy.tint * (tilt - tilt.mean(1, keepdim=True))  # within the range of the policy
    grey = torch.tensor(LUMINANCE).expand(3, 3)
    saturate = saturation[:, None, None] * (torch.eye(3) - grey) + grey  # (B, 3, 3)
    product = (brightness * contrast)[:, None, None] * (tint[:, :, None] * saturate)
    offset = (0.5 * (1 - contrast))[:, None, None].expand(-1, 3, 1)
    return torch.cat([product, offset], 2)


def happens(draws: Tensor, probability: float) -> Tensor:
    """Whether a change happens, bool (B,): true for a share `probability` of draws in [-1, 1)."""
    return draws < 2 * probability - 1


def _crop(policy: Policy, drawn: Mapping[str, Tensor], side: int) -> Tensor:
    """Matrices (B, 3, 3) that enlarge the photograph and move the kept window; pixel i covers i - 0.5 to i + 0.5."""
    cut = (1 - policy.crop) * (_pair(drawn, "crop") + 1) / 2  # (B, 2), corner of the window in the photograph
    place = (1 - policy.crop * policy.enlarge) * (_pair(drawn, "place") + 1) / 2  # corner of the window in the image
    matrix = torch.diag(torch.tensor([policy.enlarge, policy.enlarge, 1.0])).repeat(len(cut), 1, 1)
    matrix[:, :2, 2] = (place - policy.enlarge * cut) * side + (policy.enlarge - 1) / 2
    return matrix


def _mirror(drawn: Mapping[str, Tensor], side: int) -> Tensor:
    """Matrices (B, 3, 3) that mirror left-right if the first draw is negative, and top-bottom if the second is."""
    matrix = torch.eye(3).repeat(len(drawn["mirror_x"]), 1, 1)
    for axis, draws in enumerate((drawn["mirror_x"], drawn["mirror_y"])):
        matrix[:, axis, axis] = torch.where(draws < 0, -1.0, 1.0)
        matrix[:, axis, 2] = torch.where(draws < 0, side - 1.0, 0.0)
    return matrix


def _pair(drawn: Mapping[str, Tensor], name: str) -> Tensor:
    """Draws (B, 2) of x and y."""
    return torch.stack([drawn[f"{name}_x"], drawn[f"{name}_y"]], 1)
