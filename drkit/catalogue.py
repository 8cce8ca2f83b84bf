"""What help and error messages list, as plain data: a name, one line, and where it is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from drkit.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Entry:
    """One thing a user can choose by name.

    Args:
        summary: One line for help texts.
        build: `module:attribute` that makes it, imported only when chosen.
    """

    summary: str
    build: str

    def load(self) -> Any:
        """Import what `build` names."""
        module, attribute = self.build.split(":")
        return getattr(import_module(module), attribute)


Catalogue = Mapping[str, Entry]

LOSSES: Catalogue = {
    "cross-entropy": Entry("grades as five classes; the course's", "drkit.losses:CrossEntropy"),
    "regression": Entry("smooth L1 on the grade as a number", "drkit.losses:Regression"),
}

POLICIES: Catalogue = {
    "none": Entry("the photograph as it is", "drkit.data.augmentation:NONE"),
    "light": Entry("flips and small turns", "drkit.data.augmentation:LIGHT"),
    "medium": Entry("any turn, flips, mild zoom, shear and colour", "drkit.data.augmentation:MEDIUM"),
    "strong": Entry("as medium, with wider zoom, shear and colour", "drkit.data.augmentation:STRONG"),
}


@dataclass(frozen=True)
class Parameter:
    """A number that a filter takes.

    Args:
        default: Where nothing is typed.
        low: Smallest value.
        high: Largest value.
        meaning: A few words for help texts.
        is_whole: Whether only whole numbers will do.
    """

    default: float
    low: float
    high: float
    meaning: str
    is_whole: bool = False


@dataclass(frozen=True)
class Filter(Entry):
    """A step of `drkit preprocess`; `build` names a function of a `Fundus` and the parameters.

    Args:
        source: Whose it is.
        parameters: By the name they are typed with.
        changes_frame: Whether it cuts or scales the photograph.
    """

    source: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    changes_frame: bool = False


FILTERS: Mapping[str, Filter] = {
    "circle-crop": Filter(
        "cut to the square about the fundus disc, round again where it was squashed; black outside the disc",
        "drkit.images.filters.frame:circle_crop",
        "the disc by RANSAC: Fischler and Bolles, CACM 24, 1981",
        {"margin": Parameter(0, 0, 1, "room about the disc, in radii")},
        changes_frame=True,
    ),
    "crop": Filter(
        "the same square, with the surround left as it is",
        "drkit.images.filters.frame:crop",
        "as circle-crop",
        {"margin": Parameter(0, 0, 1, "room about the disc, in radii")},
        changes_frame=True,
    ),
    "resize": Filter(
        "scale the longer side, averaging areas, and pad to a square: never squashed",
        "drkit.images.filters.frame:resize",
        "OpenCV's area interpolation, cubic where it enlarges",
        {"size": Parameter(512, 16, 8192, "side in pixels", is_whole=True)},
        changes_frame=True,
    ),
    "ben-graham": Filter(
        "subtract the local mean colour, so that lighting and camera matter less",
        "drkit.images.filters.local:ben_graham",
        "B. Graham, Kaggle Diabetic Retinopathy Detection competition report, 2015",
        {
            "radius": Parameter(0, 0, 4096, "scale the disc to this radius in pixels; 0: as it is", is_whole=True),
            "weight": Parameter(4, 0, 20, "contrast: grey levels for one level above the local mean"),
            "blur": Parameter(30, 2, 200, "the disc's radius / the local mean's sigma"),
            "clip": Parameter(0.9, 0.1, 1, "share of the radius that is kept; beyond it all is grey"),
        },
    ),
    "clahe": Filter(
        "even out local contrast of the luminance (L of CIE L*a*b*)",
        "drkit.images.filters.colour:clahe",
        "Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994",
        {
            "clip": Parameter(2, 0.1, 40, "limit of the contrast, in mean bin heights"),
            "tiles": Parameter(8, 1, 64, "tiles a side", is_whole=True),
        },
    ),
    "blur": Filter(
        "smooth away noise and JPEG blocks",
        "drkit.images.filters.local:blur",
        "Gaussian",
        {"sigma": Parameter(1, 0.1, 100, "in pixels")},
    ),
    "sharpen": Filter(
        "unsharp mask: add what a blur takes away",
        "drkit.images.filters.local:sharpen",
        "Gonzalez and Woods, Digital Image Processing, section 3.6",
        {
            "sigma": Parameter(2, 0.1, 100, "of the blur, in pixels"),
            "amount": Parameter(1, 0, 20, "how much of it is added"),
        },
    ),
    "gamma": Filter(
        "brighten dark retina (above 1) or darken it (below 1)",
        "drkit.images.filters.colour:gamma",
        "power law, out = in ** (1 / gamma)",
        {"gamma": Parameter(1.5, 0.1, 10, "1 changes nothing")},
    ),
    "green": Filter(
        "keep the green channel, in which vessels and red lesions stand out, as grey",
        "drkit.images.filters.colour:green",
        "Walter et al., IEEE Transactions on Medical Imaging 21, 2002",
    ),
    "grey-world": Filter(
        "colour constancy: give all channels the same mean inside the disc",
        "drkit.images.filters.colour:grey_world",
        "Buchsbaum, Journal of the Franklin Institute 310, 1980",
        {"strength": Parameter(1, 0, 1, "0 changes nothing, 1 makes the means equal")},
    ),
}

# The course's spellings; every other name is timm's own.
SHORT_BACKBONES: Mapping[str, str] = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "vgg16": "vgg16",
    "efficientnet_b0": "efficientnet_b0",
    "densenet121": "densenet121",
    "mobilenet_v2": "mobilenetv2_100",
}


def find(catalogue: Catalogue, kind: str, name: str) -> Entry:
    """The entry called `name`.

    Raises:
        UsageError: no such entry; the sentence names the near ones.
    """
    if name not in catalogue:
        raise UsageError(f"unknown {kind} '{name}': {did_you_mean(name, catalogue)}")
    return catalogue[name]
