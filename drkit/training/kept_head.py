"""`--keep-head`: the head also starts from the run that `--weights` names."""

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

UPPER_PARTS = ("attention.", "fusion.", "head.", "auxiliary.")  # the parts of a grader above the backbone and its norm
FROM_SINGLE = ("mean-max", "attention")  # fusions that can keep the head of a run on single photographs


def check_head(initial_weights: InitialWeights, target: Target, architecture: Architecture) -> None:
    """Check that the head of the initial weights has the same meaning in the new training.

    Args:
        initial_weights: Weights of a drkit run.
        target: Target of the new training.
        architecture: Architecture of the new network.

    Raises:
        UsageError: the weights are not from a drkit run, or target, loss, attention or fusion differ.
    """
    parent = initial_weights.parent
    if parent is None:
        raise UsageError(
            f"--keep-head needs the head of a drkit run, but --weights {initial_weights} is not a drkit run: leave out"
            " --keep-head"
        )
    before, now = parent.architecture, architecture
    fusion_before, fusion_now = _describe_fusion(before), _describe_fusion(now)
    is_same_fusion = fusion_before == fusion_now or (fusion_before == "none" and fusion_now in FROM_SINGLE)
    compared = (
        ("--target", parent.target, target, parent.target == target),
        (
            "--loss",
            before.loss,
            now.loss,
            parse_spec(LOSSES, "loss", before.loss) == parse_spec(LOSSES, "loss", now.loss),
        ),
        ("--attention", before.attention, now.attention or "none", before.attention in ("", now.attention)),
        ("--fusion", fusion_before, fusion_now, is_same_fusion),
    )
    differences = [f"{option} {old}, not {new}" for option, old, new, is_same in compared if not is_same]
    if differences:
        raise UsageError(
            f"--keep-head: {initial_weights} was trained with {'; '.join(differences)}: choose the same, or leave out"
            " --keep-head"
        )


def load_head(grader: Grader, initial_weights: InitialWeights) -> None:
    """Load everything above the backbone into a grader: head, thresholds of the loss, fusion and attention.

    The weights of a head of single photographs are halved and used for the mean and for the maximum over a unit's
    photographs, so that a unit of identical photographs gets the same prediction as one of them.

    Args:
        grader: A network whose architecture `check_head` accepted.
        initial_weights: Weights of the run with the head.

    Raises:
        UsageError: attention was trained on feature maps of another size.
    """
    assert initial_weights.foreign is not None
    tensors, header = read_checkpoint(initial_weights.foreign.path)
    own = grader.state_dict()
    upper = {
        name: _widen(tensor, own[name])
        for name, tensor in tensors.items()
        if name.startswith(UPPER_PARTS) and name in own
    }
    if any(tensor.shape != own[name].shape for name, tensor in upper.items()):
        raise UsageError(
            f"--keep-head: {header.architecture.attention} of {initial_weights} was trained on feature maps of another"
            f" size: use --size {header.architecture.side}, or leave out --keep-head"
        )
    grader.load_state_dict(upper, strict=False)
    notify(f"head loaded from {initial_weights}")


def _widen(tensor: Tensor, own: Tensor) -> Tensor:
    """Halve and repeat weights (K, F) to (K, 2F) if the new head has twice as many; leave others unchanged."""
    is_narrow = tensor.ndim == 2 and own.shape == (tensor.shape[0], 2 * tensor.shape[1])
    return torch.cat([tensor / 2, tensor / 2], 1) if is_narrow else tensor


def _describe_fusion(architecture: Architecture) -> str:
    if architecture.num_slots == 1:
        return "none"
    slots = f" of {architecture.num_slots}" if architecture.fusion == "concat" else ""
    return f"{architecture.fusion}{slots}"
