"""Augmentation policies: the ranges of the random changes of a photograph."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The ranges of the random changes of a photograph, symmetric about no change; by default, nothing is changed.

    Args:
        turn: Largest rotation in degrees, 0-180, in either direction.
        turn_probability: Share of the photographs that are rotated.
        flip: Whether to mirror left-right and top-bottom, each with probability 0.5.
        zoom: Logarithm of the largest factor: 0.2 draws factors from exp(-0.2) to exp(0.2).
        shear: Largest shear in degrees.
        shift: Largest shift as a share of the side.
        enlarge: Factor by which every photograph is enlarged before the other changes.
        crop: Share of the side that is kept: a square window at a random position in the photograph, which is moved to
            a random position in the image if it is smaller. Pixels outside it get the surround's colour.
        brightness: Largest difference between the factor of the brightness and `brightness_middle`.
        brightness_middle: Middle of the factors of the brightness; below 1, most photographs become darker.
        contrast: Largest difference between 1 and the factor of the contrast about mid-grey; black stays black.
        saturation: Largest difference between 1 and the factor of the saturation.
        tint: Largest difference between 1 and the factor of a channel.
        blur: Largest standard deviation of a Gaussian blur, as a share of the side; drawn uniformly from 0.
        blur_probability: Share of the photographs that are blurred.
        noise: Largest standard deviation of Gaussian noise, for channels in [0, 1]; drawn uniformly from 0.
        noise_probability: Share of the photographs with noise.
        erase: Largest area of an erased rectangle, as a share of the image; drawn uniformly from 0.
        erase_probability: Share of the photographs with an erased rectangle.
    """

    turn: float = 0.0
    turn_probability: float = 1.0
    flip: bool = False
    zoom: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    enlarge: float = 1.0
    crop: float = 1.0
    brightness: float = 0.0
    brightness_middle: float = 1.0
    contrast: float = 0.0
    saturation: float = 0.0
    tint: float = 0.0
    blur: float = 0.0
    blur_probability: float = 1.0
    noise: float = 0.0
    noise_probability: float = 1.0
    erase: float = 0.0
    erase_probability: float = 1.0


# (smallest, largest) value of each number; beyond them, photographs are unrecognisable or formulas are not valid.
LIMITS: Mapping[str, tuple[float, float]] = {
    "turn": (0, 180),
    "turn_probability": (0, 1),
    "zoom": (0, 1),
    "shear": (0, 45),
    "shift": (0, 0.5),
    "enlarge": (1, 4),
    "crop": (0.1, 1),
    "brightness": (0, 1),
    "brightness_middle": (0.1, 2),
    "contrast": (0, 1),
    "saturation": (0, 1),
    "tint": (0, 0.5),
    "blur": (0, 0.05),
    "blur_probability": (0, 1),
    "noise": (0, 0.5),
    "noise_probability": (0, 1),
    "erase": (0, 0.5),
    "erase_probability": (0, 1),
}

NONE = Policy()
LIGHT = Policy(turn=15, flip=True, brightness=0.1)
MEDIUM = Policy(
    turn=180,
    flip=True,
    zoom=0.12,
    shear=4,
    shift=0.03,
    brightness=0.15,
    contrast=0.15,
    saturation=0.15,
    tint=0.05,
)
STRONG = Policy(
    turn=180,
    flip=True,
    zoom=0.25,
    shear=10,
    shift=0.06,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    tint=0.12,
    blur=0.004,
    blur_probability=0.2,
    noise=0.03,
    noise_probability=0.2,
    erase=0.1,
    erase_probability=0.2,
)
# The augmentation of the course's template, which always darkens: resize to 256 px, crop 210 px at a random position,
# put the crop at a random position on 224 black pixels, rotate half of the photographs by up to 30 degrees, flip, and
# multiply the brightness by 0.1 to 0.9.
TEMPLATE = Policy(
    turn=30,
    turn_probability=0.5,
    flip=True,
    enlarge=256 / 224,
    crop=210 / 256,
    brightness=0.4,
    brightness_middle=0.5,
)
