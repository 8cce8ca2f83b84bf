"""How far a photograph may be changed: the policies, as data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How far a photograph may be changed; by default not at all. Ranges are symmetric about no change.

    Args:
        turn: Rotation in degrees, 0-180, either way.
        turn_probability: Share of the photographs that are turned at all.
        flip: Mirror left-right and top-bottom, each in half of the cases.
        zoom: Factor, as log: 0.2 draws from exp(-0.2) to exp(0.2).
        shear: Degrees.
        shift: Share of the side.
        enlarge: Factor by which every photograph is enlarged before anything else.
        crop: Share of the side that is kept: a square window at a random place of the photograph, put at a random
            place of the image where it is smaller than that. What is outside it takes the surround's colour.
        brightness: Gain about `brightness_middle`.
        brightness_middle: 1 unless every photograph is to be darkened or brightened.
        contrast: Gain about mid-grey. What is black stays black.
        saturation: Gain about the luminance.
        tint: Gain of each channel.
        blur: Largest sigma of a Gaussian, as a share of the side; drawn evenly from 0 up.
        blur_probability: Share of the photographs that are blurred.
        noise: Largest standard deviation of Gaussian noise, for channels in [0, 1]; drawn evenly from 0 up.
        noise_probability: Share of the photographs with noise.
        erase: Largest area of an erased rectangle, as a share of the image; drawn evenly from 0 up.
        erase_probability: Share of the photographs of which a rectangle is erased.
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


# (smallest, largest) of every number; beyond them a photograph is no longer one, or a formula breaks down.
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
# The course's own, always darker than what it is judged on: resize to 256, cut 210 at random, put at random into 224
# on black, turn by up to 30 degrees in half of the cases, flips, and a brightness factor from 0.1 to 0.9.
TEMPLATE = Policy(
    turn=30,
    turn_probability=0.5,
    flip=True,
    enlarge=256 / 224,
    crop=210 / 256,
    brightness=0.4,
    brightness_middle=0.5,
)
