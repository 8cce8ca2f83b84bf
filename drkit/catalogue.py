"""What help and error messages list, as plain data: a name, one line, and where it is built."""

from collections.abc import Mapping
from dataclasses import dataclass
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
