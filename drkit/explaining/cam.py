"""Class activation maps: a layer's channels, weighted by the gradient of a target."""

import torch
from torch import Tensor

from drkit.explaining.activations import AttributionInput, activations_and_gradients, layer_activations
from drkit.explaining.attribution import Attribution
from drkit.machine import on_cpu_if_mps


def explain_gradcam(inputs: AttributionInput) -> Attribution:
    """GradCAM: each channel weighted by its mean gradient.

    Source: Selvaraju et al. 2017, ICCV, eqs. 1 and 2; the negative part, which the paper's ReLU drops, is the
    negative attribution.
    """
    layer = activations_and_gradients(inputs)
    return Attribution.from_signed(weigh_channels(layer.activations, layer.gradients.mean((2, 3))))


def explain_gradcam_plus_plus(inputs: AttributionInput) -> Attribution:
    """GradCAM++: gradients weighted pixel by pixel, so that each of several small lesions counts.

    Source: Chattopadhay et al. 2018, WACV, eqs. 9 and 19. Its weights are never negative, so the negative
    attribution is that for the opposite target.
    """
    layer = activations_and_gradients(inputs)
    return Attribution(
        weigh_channels(layer.activations, plus_plus_weights(layer.activations, layer.gradients)).clamp(min=0),
        weigh_channels(layer.activations, plus_plus_weights(layer.activations, -layer.gradients)).clamp(min=0),
    )


def explain_hirescam(inputs: AttributionInput) -> Attribution:
    """HiResCAM: activation times gradient, pixel by pixel.

    Source: Draelos and Carin 2020, arXiv 2011.08891, eq. 4.
    """
    layer = activations_and_gradients(inputs)
    return Attribution.from_signed((layer.activations * layer.gradients).sum(1))


def explain_layercam(inputs: AttributionInput) -> Attribution:
    """LayerCAM: activations weighted by their positive gradients, pixel by pixel; suits earlier layers, too.

    Source: Jiang et al. 2021, IEEE TIP 30, eqs. 5 to 7; the negative attribution is that for the opposite target.
    """
    layer = activations_and_gradients(inputs)
    return Attribution(
        (layer.activations * layer.gradients.clamp(min=0)).sum(1).clamp(min=0),
        (layer.activations * (-layer.gradients).clamp(min=0)).sum(1).clamp(min=0),
    )


def explain_eigencam(inputs: AttributionInput) -> Attribution:
    """EigenCAM: the activations' first principal component, whatever the target; there is no negative attribution.

    Source: Muhammad and Yeasin 2020, IJCNN, eq. 3. The component's sign, which the paper leaves open, is the one
    of the larger part.
    """
    activations = layer_activations(inputs)
    tokens = activations.flatten(2).transpose(1, 2)  # (P, h * w, C)
    projected = on_cpu_if_mps(first_component, tokens).unflatten(1, activations.shape[2:])
    return Attribution(projected.clamp(min=0), torch.zeros_like(projected))


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
