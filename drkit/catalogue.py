"""Everything that users choose by name, as plain data: the name, a summary, and the function that builds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from operator import attrgetter
from typing import Any

from drkit.errors import UsageError, did_you_mean
from drkit.plugins import Registry, load_from


@dataclass(frozen=True)
class Parameter:
    """A number that is set together with a name, as in `clahe:clip=2`; parsed by `drkit.specs`.

    Args:
        default: Value if it is not set.
        low: Smallest value.
        high: Largest value.
        meaning: A few words for help texts.
        is_whole: Whether it must be a whole number.
    """

    default: float
    low: float
    high: float
    meaning: str
    is_whole: bool = False


@dataclass(frozen=True)
class Entry:
    """Something that a user chooses by name.

    Args:
        summary: One line for help texts.
        build: `module:attribute` that builds it, imported only when it is chosen.
        parameters: Parameters by name, in the order in which they are listed.
        package: Name and version of the package that adds it, set by `Registry`; empty for drkit itself.
    """

    summary: str
    build: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict, kw_only=True)
    package: str = field(default="", kw_only=True)

    def load(self) -> Any:
        """Import the attribute that `build` names.

        Raises:
            UsageError: it belongs to another package, and the import fails.
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
        "five classes, as in the course",
        "drkit.losses:CrossEntropy",
        parameters={
            "smoothing": Parameter(0, 0, 4, "standard deviation of soft targets, in grades"),
            "cost": Parameter(0, 0, 100, "weight of the expected quadratic cost"),
        },
    ),
    "regression": Entry("the grade as a number, with smooth L1 loss", "drkit.losses:Regression"),
    "mse": Entry("the grade as a number, with squared error", "drkit.losses:MeanSquaredError"),
    "corn": Entry(
        "conditional ordinal regression, the probability of exceeding each grade given that the grade is reached",
        "drkit.losses:Corn",
    ),
    "cumulative-link": Entry(
        "proportional odds, one severity score with four learned thresholds", "drkit.losses:CumulativeLink"
    ),
}

TRAINING_DECISIONS: Catalogue = {
    "own": Entry("as the loss defines it", "drkit.decisions:decide"),
    "rounding": Entry(
        "the rounded expected grade, which minimises the expected quadratic cost", "drkit.decisions:decide"
    ),
    "cut-points": Entry(
        "thresholds fitted to out-of-fold scores",
        "drkit.cut_points:fit_steady_cut_points",
        parameters={"shrink": Parameter(0, 0, 1, "shrinkage towards rounding")},
    ),
}


@dataclass(frozen=True)
class EnsembleMethod(Entry):
    """A way to combine predictions; `build` names a class of `drkit.ensembling.combiner.Method`.

    Args:
        restore: `module:attribute` of a function that restores a fitted combination from its `to_json`, whose `kind` is
            the name of the method; empty if the method fits one of drkit's own combinations.
    """

    restore: str = ""

    def load_restore(self) -> Any:
        """Import the attribute that `restore` names.

        Raises:
            UsageError: the import fails.
        """
        return load_from(f"{self.restore} of {self.package}", lambda: _import(self.restore))


OWN_METHODS: Mapping[str, EnsembleMethod] = {
    "vote": EnsembleMethod("equal weights", "drkit.ensembling.blend:Vote"),
    "weight": EnsembleMethod("fitted weights that sum to one", "drkit.ensembling.weight:Weight"),
    "stack": EnsembleMethod("a small meta-learner on scores and probabilities", "drkit.ensembling.stack:Stack"),
    "boost": EnsembleMethod("small trees fitted to the errors of the mean", "drkit.ensembling.boost:Boost"),
}

POLICIES: Catalogue = {
    "none": Entry("no augmentation", "drkit.data.augmentation:NONE"),
    "light": Entry("flips and small rotations", "drkit.data.augmentation:LIGHT"),
    "medium": Entry("flips, any rotation, and mild zoom, shear and colour changes", "drkit.data.augmentation:MEDIUM"),
    "strong": Entry("wider ranges than medium, and blur, noise and erasing", "drkit.data.augmentation:STRONG"),
    "template": Entry(
        "the course's own policy, with crops, rotations and darkening", "drkit.data.augmentation:TEMPLATE"
    ),
}


@dataclass(frozen=True)
class Filter(Entry):
    """A step of `drkit preprocess`; `build` names a function of a `Fundus` and the parameters.

    Args:
        source: Publication or origin.
        changes_frame: Whether it crops or scales the photograph.
        scaling_parameter: Parameter that scales the photograph if it is above 0; empty for none.
    """

    source: str
    changes_frame: bool = False
    scaling_parameter: str = ""


OWN_FILTERS: Mapping[str, Filter] = {
    "circle-crop": Filter(
        "crop to the square around the fundus disc, restore its round shape, and black out what is outside it",
        "drkit.images.filters.frame:circle_crop",
        "disc found by RANSAC: Fischler and Bolles, CACM 24, 1981",
        parameters={"margin": Parameter(0, 0, 1, "margin around the disc, in radii")},
        changes_frame=True,
    ),
    "crop": Filter(
        "crop to the same square, and keep what is outside the disc",
        "drkit.images.filters.frame:crop",
        "as circle-crop",
        parameters={"margin": Parameter(0, 0, 1, "margin around the disc, in radii")},
        changes_frame=True,
    ),
    "resize": Filter(
        "scale the longer side by area averaging, and pad to a square, so that the aspect ratio is kept",
        "drkit.images.filters.frame:resize",
        "OpenCV's area interpolation, or cubic to enlarge",
        parameters={"size": Parameter(512, 16, 8192, "side in pixels", is_whole=True)},
        changes_frame=True,
    ),
    "ben-graham": Filter(
        "subtract the local mean colour, to remove differences of lighting and camera",
        "drkit.images.filters.local:ben_graham",
        "B. Graham, Kaggle Diabetic Retinopathy Detection competition report, 2015",
        parameters={
            "radius": Parameter(0, 0, 4096, "scale the disc to this radius in pixels; 0: no scaling", is_whole=True),
            "weight": Parameter(4, 0, 20, "contrast gain: grey levels per level above the local mean"),
            "blur": Parameter(30, 2, 200, "radius of the disc divided by the sigma of the local mean"),
            "clip": Parameter(0.9, 0.1, 1, "fraction of the radius that is kept; the rest becomes grey"),
        },
        scaling_parameter="radius",
    ),
    "clahe": Filter(
        "contrast limited adaptive histogram equalisation of the luminance (L of CIE L*a*b*)",
        "drkit.images.filters.colour:clahe",
        "Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994",
        parameters={
            "clip": Parameter(2, 0.1, 40, "contrast limit, in multiples of the mean bin height"),
            "tiles": Parameter(8, 1, 64, "tiles per side", is_whole=True),
        },
    ),
    "blur": Filter(
        "smooth out noise and JPEG artefacts",
        "drkit.images.filters.local:blur",
        "Gaussian blur",
        parameters={"sigma": Parameter(1, 0.1, 100, "standard deviation in pixels")},
    ),
    "sharpen": Filter(
        "unsharp masking",
        "drkit.images.filters.local:sharpen",
        "Gonzalez and Woods, Digital Image Processing, section 3.6",
        parameters={
            "sigma": Parameter(2, 0.1, 100, "standard deviation of the blur in pixels"),
            "amount": Parameter(1, 0, 20, "strength"),
        },
    ),
    "gamma": Filter(
        "gamma correction: brighten dark regions (above 1) or darken them (below 1)",
        "drkit.images.filters.colour:gamma",
        "power law, out = in ** (1 / gamma)",
        parameters={"gamma": Parameter(1.5, 0.1, 10, "exponent is 1 / gamma; 1: no change")},
    ),
    "green": Filter(
        "keep only the green channel, in which vessels and red lesions have the highest contrast, as grey",
        "drkit.images.filters.colour:green",
        "Walter et al., IEEE Transactions on Medical Imaging 21, 2002",
    ),
    "grey-world": Filter(
        "colour constancy: equalise the means of the channels inside the disc",
        "drkit.images.filters.colour:grey_world",
        "Buchsbaum, Journal of the Franklin Institute 310, 1980",
        parameters={"strength": Parameter(1, 0, 1, "0: no change; 1: equal means")},
    ),
}

EXPLAINERS: Catalogue = {
    "gradcam": Entry(
        "channels weighted by their mean gradient (Selvaraju 2017)", "drkit.explaining.cam:explain_gradcam"
    ),
    "gradcam++": Entry(
        "gradients weighted at each position, for several small lesions (Chattopadhay 2018)",
        "drkit.explaining.cam:explain_gradcam_plus_plus",
    ),
    "hirescam": Entry(
        "activation times gradient at each position (Draelos 2020)",
        "drkit.explaining.cam:explain_hirescam",
    ),
    "layercam": Entry(
        "activations weighted by their positive gradients at each position, also for earlier layers (Jiang 2021)",
        "drkit.explaining.cam:explain_layercam",
    ),
    "eigencam": Entry(
        "first principal component of the activations, independent of the target (Muhammad 2020)",
        "drkit.explaining.cam:explain_eigencam",
    ),
    "scorecam": Entry(
        "channels weighted by the score of the photograph masked with them; slow (Wang 2020)",
        "drkit.explaining.pixel_attribution:explain_scorecam",
    ),
    "integrated-gradients": Entry(
        "gradients of the pixels, integrated from the blurred photograph (Sundararajan 2017)",
        "drkit.explaining.pixel_attribution:explain_integrated_gradients",
    ),
    "occlusion": Entry(
        "change of the target when a square is blurred; slow (Zeiler 2014)",
        "drkit.explaining.pixel_attribution:explain_occlusion",
    ),
    "attention": Entry(
        "the network's own attention, for runs with attention",
        "drkit.explaining.attention:explain_attention",
    ),
}


@dataclass(frozen=True)
class AttentionBlock(Entry):
    """A block between backbone and pooling; `build` names a function of a `MapShape` and the parameters.

    Args:
        source: Publication.
        compares_positions: Whether it has no effect on a feature map with a single position.
    """

    source: str
    compares_positions: bool


OWN_ATTENTIONS: Mapping[str, AttentionBlock] = {
    "se": AttentionBlock(
        "squeeze-and-excitation, channel gates computed from the channel means",
        "drkit.models.attention.gates:build_se",
        "Hu, Shen and Sun, CVPR 2018",
        compares_positions=False,
        parameters={
            "reduction": Parameter(16, 1, 256, "channels divided by hidden channels of the gate", is_whole=True)
        },
    ),
    "eca": AttentionBlock(
        "efficient channel attention, channel gates with very few parameters",
        "drkit.models.attention.gates:build_eca",
        "Wang et al., CVPR 2020",
        compares_positions=False,
    ),
    "spatial": AttentionBlock(
        "spatial gates computed from the surroundings of each position",
        "drkit.models.attention.gates:build_spatial",
        "Woo et al., ECCV 2018, section 3.1",
        compares_positions=True,
        parameters={"kernel": Parameter(7, 3, 31, "side of the gate's convolution kernel; odd", is_whole=True)},
    ),
    "cbam": AttentionBlock(
        "channel gates computed from means and maxima, followed by spatial gates",
        "drkit.models.attention.gates:build_cbam",
        "Woo et al., ECCV 2018",
        compares_positions=True,
        parameters={
            "reduction": Parameter(16, 1, 256, "channels divided by hidden channels of the gate", is_whole=True),
            "kernel": Parameter(7, 3, 31, "side of the gate's convolution kernel; odd", is_whole=True),
        },
    ),
    "self": AttentionBlock(
        "multi-head self-attention over positions, with a relative position bias",
        "drkit.models.attention.comparing:build_self",
        "Vaswani et al., NeurIPS 2017, with the position bias of Liu et al., ICCV 2021",
        compares_positions=True,
        parameters={
            "heads": Parameter(4, 1, 64, "number of heads", is_whole=True),
            "reduction": Parameter(4, 1, 64, "channels divided by channels of queries and keys", is_whole=True),
        },
    ),
    "nonlocal": AttentionBlock(
        "non-local block, self-attention with one head and no position bias",
        "drkit.models.attention.comparing:build_nonlocal",
        "Wang et al., CVPR 2018",
        compares_positions=True,
        parameters={
            "reduction": Parameter(4, 1, 64, "channels divided by channels of queries and keys", is_whole=True)
        },
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
    """Find the entry called `name`.

    Raises:
        UsageError: no such entry; the message suggests similar names.
    """
    if name not in catalogue:
        raise UsageError(f"unknown {kind} '{name}': {did_you_mean(name, catalogue)}")
    return catalogue[name]
