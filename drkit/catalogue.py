"""What help and error messages list, as plain data: a name, one line, and where it is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from operator import attrgetter
from typing import Any

from drkit.errors import UsageError, did_you_mean
from drkit.plugins import Registry, load_from


@dataclass(frozen=True)
class Parameter:
    """A number that goes with a name, as in `clahe:clip=2`; read by `drkit.specs`.

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
class Entry:
    """One thing a user can choose by name.

    Args:
        summary: One line for help texts.
        build: `module:attribute` that makes it, imported only when chosen.
        parameters: By the name they are typed with, in the order in which they are listed.
        package: Name and version of the package that adds it, set by `Registry`; empty: drkit itself.
    """

    summary: str
    build: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict, kw_only=True)
    package: str = field(default="", kw_only=True)

    def load(self) -> Any:
        """Import what `build` names.

        Raises:
            UsageError: it is of another package, and the import fails.
        """
        if not self.package:
            return _import(self.build)
        return load_from(f"{self.build} of {self.package}", lambda: _import(self.build))


def _import(named: str) -> Any:
    module, attribute = named.split(":")
    return attrgetter(attribute)(import_module(module))


Catalogue = Mapping[str, Entry]

OWN_LOSSES: Catalogue = {
    "cross-entropy": Entry(
        "grades as five classes, the course's",
        "drkit.losses:CrossEntropy",
        parameters={
            "smoothing": Parameter(0, 0, 4, "standard deviation of a soft target, in grades"),
            "cost": Parameter(0, 0, 100, "weight of the expected quadratic disagreement"),
        },
    ),
    "regression": Entry("the grade as a number, smooth L1", "drkit.losses:Regression"),
    "mse": Entry("the grade as a number, squared distance", "drkit.losses:MeanSquaredError"),
    "corn": Entry("whether each next grade is reached, given the one before", "drkit.losses:Corn"),
    "cumulative-link": Entry(
        "one severity and four learned thresholds, proportional odds", "drkit.losses:CumulativeLink"
    ),
}

TRAINING_DECISIONS: Catalogue = {
    "own": Entry("the loss's own way", "drkit.decisions:decide"),
    "rounding": Entry(
        "round the expected grade, which minimises the expected quadratic cost", "drkit.decisions:decide"
    ),
    "cut-points": Entry(
        "thresholds fitted out of fold",
        "drkit.cut_points:fit_steady_cut_points",
        parameters={"shrink": Parameter(0, 0, 1, "how far they are moved towards rounding")},
    ),
}


@dataclass(frozen=True)
class EnsembleMethod(Entry):
    """A way to combine; `build` names a class whose instances are a `drkit.ensembling.combiner.Method`.

    Args:
        restore: `module:attribute` that makes a fitted combination of what its `to_json` gave, where its `kind` is the
            method's name; empty: the method fits one of drkit's own combinations.
    """

    restore: str = ""

    def load_restore(self) -> Any:
        """Import what `restore` names.

        Raises:
            UsageError: the import fails.
        """
        return load_from(f"{self.restore} of {self.package}", lambda: _import(self.restore))


OWN_METHODS: Mapping[str, EnsembleMethod] = {
    "vote": EnsembleMethod("every member counts the same", "drkit.ensembling.blend:Vote"),
    "weight": EnsembleMethod("weights that sum to one", "drkit.ensembling.weight:Weight"),
    "stack": EnsembleMethod("a small meta-learner on scores and probabilities", "drkit.ensembling.stack:Stack"),
    "boost": EnsembleMethod("small trees on what the mean gets wrong", "drkit.ensembling.boost:Boost"),
}

POLICIES: Catalogue = {
    "none": Entry("the photograph as it is", "drkit.data.augmentation:NONE"),
    "light": Entry("flips and small turns", "drkit.data.augmentation:LIGHT"),
    "medium": Entry("any turn, flips, mild zoom, shear and colour", "drkit.data.augmentation:MEDIUM"),
    "strong": Entry("wider than medium, with blur, noise and erasing", "drkit.data.augmentation:STRONG"),
    "template": Entry("the course's own: crops, turns, always darker", "drkit.data.augmentation:TEMPLATE"),
}


@dataclass(frozen=True)
class Filter(Entry):
    """A step of `drkit preprocess`; `build` names a function of a `Fundus` and the parameters.

    Args:
        source: Whose it is.
        changes_frame: Whether it cuts or scales the photograph.
        scaling_parameter: A parameter by which it scales the photograph where that is above 0; empty: none.
    """

    source: str
    changes_frame: bool = False
    scaling_parameter: str = ""


OWN_FILTERS: Mapping[str, Filter] = {
    "circle-crop": Filter(
        "cut to the square about the fundus disc, round again where it was squashed; black outside the disc",
        "drkit.images.filters.frame:circle_crop",
        "the disc by RANSAC: Fischler and Bolles, CACM 24, 1981",
        parameters={"margin": Parameter(0, 0, 1, "room about the disc, in radii")},
        changes_frame=True,
    ),
    "crop": Filter(
        "the same square, with the surround left as it is",
        "drkit.images.filters.frame:crop",
        "as circle-crop",
        parameters={"margin": Parameter(0, 0, 1, "room about the disc, in radii")},
        changes_frame=True,
    ),
    "resize": Filter(
        "scale the longer side, averaging areas, and pad to a square: never squashed",
        "drkit.images.filters.frame:resize",
        "OpenCV's area interpolation, cubic where it enlarges",
        parameters={"size": Parameter(512, 16, 8192, "side in pixels", is_whole=True)},
        changes_frame=True,
    ),
    "ben-graham": Filter(
        "subtract the local mean colour, so that lighting and camera matter less",
        "drkit.images.filters.local:ben_graham",
        "B. Graham, Kaggle Diabetic Retinopathy Detection competition report, 2015",
        parameters={
            "radius": Parameter(0, 0, 4096, "scale the disc to this radius in pixels; 0: as it is", is_whole=True),
            "weight": Parameter(4, 0, 20, "contrast: grey levels for one level above the local mean"),
            "blur": Parameter(30, 2, 200, "the disc's radius / the local mean's sigma"),
            "clip": Parameter(0.9, 0.1, 1, "share of the radius that is kept; beyond it all is grey"),
        },
        scaling_parameter="radius",
    ),
    "clahe": Filter(
        "even out local contrast of the luminance (L of CIE L*a*b*)",
        "drkit.images.filters.colour:clahe",
        "Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994",
        parameters={
            "clip": Parameter(2, 0.1, 40, "limit of the contrast, in mean bin heights"),
            "tiles": Parameter(8, 1, 64, "tiles a side", is_whole=True),
        },
    ),
    "blur": Filter(
        "smooth away noise and JPEG blocks",
        "drkit.images.filters.local:blur",
        "Gaussian",
        parameters={"sigma": Parameter(1, 0.1, 100, "in pixels")},
    ),
    "sharpen": Filter(
        "unsharp mask: add what a blur takes away",
        "drkit.images.filters.local:sharpen",
        "Gonzalez and Woods, Digital Image Processing, section 3.6",
        parameters={
            "sigma": Parameter(2, 0.1, 100, "of the blur, in pixels"),
            "amount": Parameter(1, 0, 20, "how much of it is added"),
        },
    ),
    "gamma": Filter(
        "brighten dark retina (above 1) or darken it (below 1)",
        "drkit.images.filters.colour:gamma",
        "power law, out = in ** (1 / gamma)",
        parameters={"gamma": Parameter(1.5, 0.1, 10, "1 changes nothing")},
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
        parameters={"strength": Parameter(1, 0, 1, "0 changes nothing, 1 makes the means equal")},
    ),
}

EXPLAINERS: Catalogue = {
    "gradcam": Entry(
        "channels weighted by their mean gradient (Selvaraju 2017)", "drkit.explaining.cam:explain_gradcam"
    ),
    "gradcam++": Entry(
        "gradients weighted place by place, for several small lesions (Chattopadhay 2018)",
        "drkit.explaining.cam:explain_gradcam_plus_plus",
    ),
    "hirescam": Entry(
        "activation times gradient, place by place (Draelos 2020)",
        "drkit.explaining.cam:explain_hirescam",
    ),
    "layercam": Entry(
        "positive gradients place by place, for earlier layers too (Jiang 2021)",
        "drkit.explaining.cam:explain_layercam",
    ),
    "eigencam": Entry(
        "the strongest pattern, whatever is asked (Muhammad 2020)",
        "drkit.explaining.cam:explain_eigencam",
    ),
    "scorecam": Entry(
        "channels weighted by what they show; slow (Wang 2020)", "drkit.explaining.pixel_attribution:explain_scorecam"
    ),
    "integrated-gradients": Entry(
        "pixel by pixel, on the way from the blurred photograph (Sundararajan 2017)",
        "drkit.explaining.pixel_attribution:explain_integrated_gradients",
    ),
    "occlusion": Entry(
        "what is lost when a square is blurred; slow (Zeiler 2014)",
        "drkit.explaining.pixel_attribution:explain_occlusion",
    ),
    "attention": Entry(
        "where the network's own attention looks, of a run that has any; not among all",
        "drkit.explaining.attention:explain_attention",
    ),
}


@dataclass(frozen=True)
class AttentionBlock(Entry):
    """A block between backbone and pool; `build` names a function of a `MapShape` and the parameters.

    Args:
        source: Whose it is.
        compares_places: Whether it does nothing on a map of one place.
    """

    source: str
    compares_places: bool


OWN_ATTENTIONS: Mapping[str, AttentionBlock] = {
    "se": AttentionBlock(
        "which channels count, from their means",
        "drkit.models.attention.gates:build_se",
        "Hu, Shen and Sun, CVPR 2018",
        compares_places=False,
        parameters={"reduction": Parameter(16, 1, 256, "channels / the gate's hidden ones", is_whole=True)},
    ),
    "eca": AttentionBlock(
        "the same with next to no parameters",
        "drkit.models.attention.gates:build_eca",
        "Wang et al., CVPR 2020",
        compares_places=False,
    ),
    "spatial": AttentionBlock(
        "which places count, from what surrounds them",
        "drkit.models.attention.gates:build_spatial",
        "Woo et al., ECCV 2018, section 3.1",
        compares_places=True,
        parameters={
            "kernel": Parameter(7, 3, 31, "side of what the gate sees, in places of the map; odd", is_whole=True)
        },
    ),
    "cbam": AttentionBlock(
        "channels, from means and maxima, then places",
        "drkit.models.attention.gates:build_cbam",
        "Woo et al., ECCV 2018",
        compares_places=True,
        parameters={
            "reduction": Parameter(16, 1, 256, "channels / the gate's hidden ones", is_whole=True),
            "kernel": Parameter(7, 3, 31, "side of what the gate sees, in places of the map; odd", is_whole=True),
        },
    ),
    "self": AttentionBlock(
        "each place adds what it finds in others, near or far",
        "drkit.models.attention.comparing:build_self",
        "Vaswani et al., NeurIPS 2017, with the position bias of Liu et al., ICCV 2021",
        compares_places=True,
        parameters={
            "heads": Parameter(4, 1, 64, "comparisons side by side", is_whole=True),
            "reduction": Parameter(4, 1, 64, "channels / those in which places are compared", is_whole=True),
        },
    ),
    "nonlocal": AttentionBlock(
        "the same in one comparison, wherever the places lie",
        "drkit.models.attention.comparing:build_nonlocal",
        "Wang et al., CVPR 2018",
        compares_places=True,
        parameters={"reduction": Parameter(4, 1, 64, "channels / those in which places are compared", is_whole=True)},
    ),
}

LOSSES = Registry("loss", "drkit.losses", Entry, OWN_LOSSES)
METHODS = Registry("ensemble method", "drkit.ensembles", EnsembleMethod, OWN_METHODS)
FILTERS = Registry("filter", "drkit.filters", Filter, OWN_FILTERS)
ATTENTIONS = Registry("attention block", "drkit.attentions", AttentionBlock, OWN_ATTENTIONS)

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
