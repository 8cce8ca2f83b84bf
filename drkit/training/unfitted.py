"""Predictions for the units of val and test that are in no fold, after the training."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from drkit.data.rendering import prediction_views, render
from drkit.data.stream import PhotographStream
from drkit.inference import Outputs, Render, stream_units
from drkit.models.freezing import run_frozen_part, without_frozen_part
from drkit.models.grader import Grader
from drkit.training.fitting import FittedNetwork
from drkit.training.setup import TrainingSetup


def predict_unfitted(setup: TrainingSetup, fitted: Sequence[FittedNetwork]) -> list[FittedNetwork]:
    """Run all networks of a training over the units of val and test that are in no fold.

    Args:
        setup: Device, network and photographs of the training.
        fitted: The trained networks.

    Returns:
        The networks with their outputs for these units, `others`; unchanged if there are no such units.

    Raises:
        UnreadablePhotographsError: a photograph that could be read before cannot be read now.
    """
    plan = setup.plan
    numbers = plan.units.of_rows(plan.unfitted_rows)
    if not len(numbers):
        return list(fitted)
    stream = PhotographStream(plan.labels.paths(), plan.square_decoder, plan.config.workers)
    with ExitStack() as frozen_removed:
        networks = _rebuild(setup, fitted, frozen_removed)
        batches = stream_units(networks, stream, plan.units, numbers, setup.fabric.autocast)
        outputs = [
            [each if plan.config.embeddings else each.without_activations() for each in batch] for _, batch in batches
        ]
    stream.check_readable()
    by_network = zip(*outputs, strict=True)
    return [replace(each, others=Outputs.join(own)) for each, own in zip(fitted, by_network, strict=True)]


@dataclass
class _FrozenPart:
    """Runs the frozen stages of a seed's networks, once per batch for all its folds.

    Args:
        setup: Device, network and photographs of the training.
        grader: A complete network of the seed.
        rows: Row numbers of the last batch.
        features: Features of the last batch, rounded like those that the networks were trained on.
    """

    setup: TrainingSetup
    grader: Grader
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    features: list[Tensor] = field(default_factory=list)

    def __call__(self, rows: np.ndarray, photographs: np.ndarray) -> list[Tensor]:
        if not np.array_equal(rows, self.rows):
            self.rows, self.features = np.empty(0, np.int64), []
            images = render(photographs, self.setup.plan.input_format, self.setup.fabric.device)
            with self.setup.fabric.autocast():
                features = run_frozen_part(self.grader, images, self.setup.plan.config.frozen_stages)
            self.rows, self.features = rows, [features.half().float()]
        return self.features


def _rebuild(
    setup: TrainingSetup, fitted: Sequence[FittedNetwork], frozen_removed: ExitStack
) -> list[tuple[Grader, Render]]:
    """Rebuild the trained networks, in evaluation mode, each with the function that renders its inputs.

    The frozen parts are removed from the networks until `frozen_removed` is closed.
    """
    plan, device = setup.plan, setup.fabric.device
    stages, tta = plan.config.frozen_stages, plan.config.tta

    def render_views(_: np.ndarray, photographs: np.ndarray) -> Iterable[Tensor]:
        return prediction_views(render(photographs, plan.input_format, device), tta=tta)

    networks: list[tuple[Grader, Render]] = []
    frozen_parts: dict[int | None, _FrozenPart] = {}
    for each in fitted:
        grader = deepcopy(setup.grader).eval()
        grader.load_state_dict(each.tensors())
        if tta or stages == 0:
            networks.append((grader, render_views))
            continue
        if each.network.seed not in frozen_parts:
            frozen_parts[each.network.seed] = _FrozenPart(setup, deepcopy(grader))
        frozen_removed.enter_context(without_frozen_part(grader, stages))
        networks.append((grader, frozen_parts[each.network.seed]))
    return networks
