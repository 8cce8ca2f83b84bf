"""Class activation maps: a layer's channels, weighted by what the answer makes of them."""

import torch
from torch import Tensor

from drkit.explaining.evidence import Evidence
from drkit.explaining.inquiry import Inquiry, activations_of, expose


def explain_gradcam(inquiry: Inquiry) -> Evidence:
    """GradCAM: each channel weighted by its mean gradient.

    Source: Selvaraju et al. 2017, ICCV, eqs. 1 and 2; the negative part, which the paper's ReLU drops, is the
    evidence against.
    """
    bare = expose(inquiry)
    return Evidence.of_signed(weigh_channels(bare.activations, bare.gradients.mean((2, 3))))


def explain_gradcam_plus_plus(inquiry: Inquiry) -> Evidence:
    """GradCAM++: the gradients weighted place by place, so that several small lesions count each.

    Source: Chattopadhay et al. 2018, WACV, eqs. 9 and 19. Its weights are never negative, so the evidence against
    is that for the opposite answer.
    """
    bare = expose(inquiry)
    return Evidence(
        weigh_channels(bare.activations, plus_plus_weights(bare.activations, bare.gradients)).clamp(min=0),
        weigh_channels(bare.activations, plus_plus_weights(bare.activations, -bare.gradients)).clamp(min=0),
    )


def explain_hirescam(inquiry: Inquiry) -> Evidence:
    """HiResCAM: activation times gradient, place by place.

    Source: Draelos and Carin 2020, arXiv 2011.08891, eq. 4.
    """
    bare = expose(inquiry)
    return Evidence.of_signed((bare.activations * bare.gradients).sum(1))


def explain_layercam(inquiry: Inquiry) -> Evidence:
    """LayerCAM: activations weighted by the positive gradients, place by place; made for earlier layers, too.

    Source: Jiang et al. 2021, IEEE TIP 30, eqs. 5 to 7; the evidence against is that for the opposite answer.
    """
    bare = expose(inquiry)
    return Evidence(
        (bare.activations * bare.gradients.clamp(min=0)).sum(1).clamp(min=0),
        (bare.activations * (-bare.gradients).clamp(min=0)).sum(1).clamp(min=0),
    )


def explain_eigencam(inquiry: Inquiry) -> Evidence:
    """EigenCAM: the activations' first principal component, whatever is asked; nothing speaks against.

    Source: Muhammad and Yeasin 2020, IJCNN, eq. 3. The component's sign, which the paper leaves open, is the one
    of the larger part.
    """
    activations = activations_of(inquiry)
    tokens = activations.flatten(2).transpose(1, 2)  # (P, h * w, C)
    projected = first_component(tokens).unflatten(1, activations.shape[2:])
    return Evidence(projected.clamp(min=0), torch.zeros_like(projected))


def weigh_channels(activations: Tensor, weights: Tensor) -> Tensor:
    """Sum over channels of activations (P, C, h, w) times weights (P, C): (P, h, w)."""
    return torch.einsum("pchw,pc->phw", activations, weights)


def plus_plus_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """GradCAM++'s weights (P, C), never negative, of activations and gradients (P, C, h, w)."""
    squares, sums = gradients**2, activations.sum((2, 3), keepdim=True)
    below = 2 * squares + sums * squares * gradients
    alphas = torch.where(below != 0, squares / torch.where(below != 0, below, torch.ones_like(below)), 0)
    return (alphas * gradients.clamp(min=0)).sum((2, 3))


def first_component(tokens: Tensor) -> Tensor:
    """Projection (P, N) of tokens (P, N, C), not centred, on the direction that holds most of them."""
    values, vectors = torch.linalg.eigh(tokens @ tokens.transpose(1, 2))  # (P, N, N), rising
    projected = vectors[..., -1] * values[:, -1:].clamp(min=0).sqrt()
    return projected * torch.where(projected.sum(1, keepdim=True) < 0, -1, 1)
