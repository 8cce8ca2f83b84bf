"""`--keep-head`: the head, too, starts from the run that `--weights` names."""

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
    """Check that the head of the initial weights has the same meaning in the new training.

    Args:
        initial_weights: Of a drkit run.
        target: Target of the new training.
        architecture: Architecture of the new network.

    Raises:
        UsageError: the weights are not from a drkit run, or target, loss, attention or fusion differ.
    """
    parent = initial_weights.parent
    if parent is None:
        raise UsageError(
            f"--keep-head needs the head of a drkit run, and --weights {initial_weights} is none: leave it out"
        )
    before, now = parent.architecture, architecture
    compared = (
        ("--target", parent.target, target, parent.target == target),
        (
            "--loss",
            before.loss,
            now.loss,
            parse_spec(LOSSES, "loss", before.loss) == parse_spec(LOSSES, "loss", now.loss),
        ),
        ("--attention", before.attention, now.attention or "none", before.attention in ("", now.attention)),
        ("units joined by", _joining(before), _joining(now), _fits(_joining(before), _joining(now))),
    )
    wrong = [f"{what} {old}, not {new}" for what, old, new, fits in compared if not fits]
    if wrong:
        raise UsageError(
            f"--keep-head: {initial_weights} was trained with {'; '.join(wrong)}: make them alike, or leave it out"
        )


def load_head(grader: Grader, initial_weights: InitialWeights) -> None:
    """Load everything above the backbone into a grader: head, thresholds of the loss, fusion and attention.

    The weights of a head of single photographs are halved and used for the mean and for the maximum over a unit's
    photographs, so that a unit of identical photographs gets the same prediction as one of them.

    Args:
        grader: Of an architecture that `check_head` accepted.
        initial_weights: The run with the head.
    """
    assert initial_weights.foreign is not None
    tensors, own = read_checkpoint(initial_weights.foreign.path)[0], grader.state_dict()
    upper = {name: tensor for name, tensor in tensors.items() if name.startswith(UPPER_PARTS) and name in own}
    grader.load_state_dict({name: _widen(tensor, own[name]) for name, tensor in upper.items()}, strict=False)
    notify(f"{initial_weights}: head loaded, too")


def _widen(tensor: Tensor, own: Tensor) -> Tensor:
    """Weights (K, F) halved and repeated to (K, 2F) where the new head has twice as many; anything else unchanged."""
    is_narrow = tensor.ndim == 2 and own.shape == (tensor.shape[0], 2 * tensor.shape[1])
    return torch.cat([tensor / 2, tensor / 2], 1) if is_narrow else tensor


def _joining(architecture: Architecture) -> str:
    """How the photographs of a unit are fused."""
    if architecture.num_slots == 1:
        return "nothing"
    places = f" of {architecture.num_slots}" if architecture.fusion == "concat" else ""
    return f"{architecture.fusion}{places}"


def _fits(before: str, now: str) -> bool:
    """Whether a head can be kept; attention starts as the mean over photographs, which has the same width."""
    return before == now or (before == "nothing" and now in (WIDENED, "attention"))
