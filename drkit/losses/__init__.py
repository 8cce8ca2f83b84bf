"""Losses, with the last layer of each, and the conversion of its logits to probabilities and scores."""

from drkit.losses.base import FloatArray as FloatArray
from drkit.losses.base import Loss as Loss
from drkit.losses.building import build_loss as build_loss
from drkit.losses.building import grade_weights as grade_weights
from drkit.losses.classification import CrossEntropy as CrossEntropy
from drkit.losses.ordinal import Corn as Corn
from drkit.losses.ordinal import CumulativeLink as CumulativeLink
from drkit.losses.regression import MeanSquaredError as MeanSquaredError
from drkit.losses.regression import Regression as Regression
