"""`--keep-head`: training goes on with the head of the run that `--weights` names."""

import torch
from torch import Tensor

from drkit.catalogue import LOSSES
from drkit.errors import UsageError
from drkit.grades import Target
from drkit.models.grader import Grader
from drkit.progress import notify
from drkit.records.checkpoint import Architecture, read_checkpoint
from drkit.specs import parse_spec
from drkit.training.initial_weights import InitialWeights

UPPER_PARTS = ("attention.", "fusion.", "head.", "auxiliary.")  # of a grader: all but the backbone and its norm
WIDENED = "mean-max"  # the fusion that a head of single photographs is widened for


def check_head(initial_weights: InitialWeights, target: Target, architecture: Architecture) -> None:
    """Check that the head of the weights to start from means here what it meant there.

    Args:
        initial_weights: Where the weights are from.
        target: Whose grade is to be learned.
        architecture: Of the new network.

    Raises:
        UsageError: the weights are not drkit's, or target, loss, attention or fusion do not fit.
    """
    parent = initial_weights.parent
    if parent is None:
        raise UsageError(
            f"--keep-head needs the head of a drkit run, and --weights {initial_weights} is none: leave it out"
        )
    before, now = parent.architecture, architecture
    compared = (
        ("--target", parent.target, target, parent.target == target),
        ("--loss", before.loss, now.loss, _same_loss(before.loss, now.loss)),
        ("--attention", before.attention, now.attention or "none", before.attention in ("", now.attention)),
        ("units joined by", _joining(before), _joining(now), _fits(_joining(before), _joining(now))),
    )
    wrong = [f"{what} {old}, not {new}" for what, old, new, fits in compared if not fits]
    if wrong:
        raise UsageError(
            f"--keep-head: {initial_weights} was trained with {'; '.join(wrong)}: make them alike, or leave it out"
        )


def load_head(grader: Grader, initial_weights: InitialWeights) -> None:
    """Put everything above the backbone into a grader: head, thresholds of the loss, fusion and attention.

    A head of single photographs goes half to the mean and half to the maximum over a unit's photographs, so that a unit
    of identical photographs gets the answer that one of them got.

    Args:
        grader: Fits, by `check_head`.
        initial_weights: Whose head it is.
    """
    assert initial_weights.foreign is not None
    tensors, own = read_checkpoint(initial_weights.foreign.path)[0], grader.state_dict()
    upper = {name: tensor for name, tensor in tensors.items() if name.startswith(UPPER_PARTS) and name in own}
    grader.load_state_dict({name: _widened(tensor, own[name]) for name, tensor in upper.items()}, strict=False)
    notify(f"{initial_weights}: its head is kept")


def _widened(tensor: Tensor, own: Tensor) -> Tensor:
    """Weights (K, F) as (K, 2F), half of each twice, where twice as many are wanted; anything else as it is."""
    is_narrow = tensor.ndim == 2 and own.shape == (tensor.shape[0], 2 * tensor.shape[1])
    return torch.cat([tensor / 2, tensor / 2], 1) if is_narrow else tensor


def _joining(architecture: Architecture) -> str:
    """How the photographs of a unit come to the head."""
    if architecture.num_slots == 1:
        return "nothing"
    places = f" of {architecture.num_slots}" if architecture.fusion == "concat" else ""
    return f"{architecture.fusion}{places}"


def _fits(before: str, now: str) -> bool:
    """Whether a head can be gone on with; attention begins as the mean, which is as wide as a photograph."""
    return before == now or (before == "nothing" and now in (WIDENED, "attention"))


def _same_loss(before: str, now: str) -> bool:
    return parse_spec(LOSSES, "loss", before) == parse_spec(LOSSES, "loss", now)
