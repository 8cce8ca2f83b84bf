"""Class activation maps: a layer's channels, weighted by the gradient of a target."""

import torch
from torch import Tensor

from drkit.explaining.activations import AttributionInput, activations_and_gradients, layer_activations
from drkit.explaining.attribution import Attribution
from drkit.machine import on_cpu_if_mps


def explain_gradcam(inputs: AttributionInput) -> Attribution:
    """Compute GradCAM: channels weighted by their mean gradients.

    Source: Selvaraju et al. 2017, ICCV, eqs. 1 and 2. The negative part, which the paper's ReLU removes, is the
    negative attribution.
    """
    layer = activations_and_gradients(inputs)
    return Attribution.from_signed(weigh_channels(layer.activations, layer.gradients.mean((2, 3))))


def explain_gradcam_plus_plus(inputs: AttributionInput) -> Attribution:
    """Compute GradCAM++: channels weighted by pixelwise weighted gradients, so that each small lesion counts.

    Source: Chattopadhay et al. 2018, WACV, eqs. 9 and 19. The weights are never negative; the negative attribution is
    the attribution of the negated target.
    """
    layer = activations_and_gradients(inputs)
    return Attribution(
        weigh_channels(layer.activations, plus_plus_weights(layer.activations, layer.gradients)).clamp(min=0),
        weigh_channels(layer.activations, plus_plus_weights(layer.activations, -layer.gradients)).clamp(min=0),
    )


def explain_hirescam(inputs: AttributionInput) -> Attribution:
    """Compute HiResCAM: activation times gradient, pixel by pixel.

    Source: Draelos and Carin 2020, arXiv 2011.08891, eq. 4.
    """
    layer = activations_and_gradients(inputs)
    return Attribution.from_signed((layer.activations * layer.gradients).sum(1))


def explain_layercam(inputs: AttributionInput) -> Attribution:
    """Compute LayerCAM: activations weighted by their positive gradients, pixel by pixel; also suits earlier layers.

    Source: Jiang et al. 2021, IEEE TIP 30, eqs. 5 to 7. The negative attribution is the attribution of the negated
    target.
    """
    layer = activations_and_gradients(inputs)
    return Attribution(
        (layer.activations * layer.gradients.clamp(min=0)).sum(1).clamp(min=0),
        (layer.activations * (-layer.gradients).clamp(min=0)).sum(1).clamp(min=0),
    )


def explain_eigencam(inputs: AttributionInput) -> Attribution:
    """Compute EigenCAM: the first principal component of the activations, without target or negative attribution.

    Source: Muhammad and Yeasin 2020, IJCNN, eq. 3. The sign of the component, which the paper leaves open, is chosen
    so that its sum is positive.
    """
    activations = layer_activations(inputs)
    tokens = activations.flatten(2).transpose(1, 2)  # (P, h * w, C)
    projected = on_cpu_if_mps(first_component, tokens).unflatten(1, activations.shape[2:])
    return Attribution(projected.clamp(min=0), torch.zeros_like(projected))


def weigh_channels(activations: Tensor, weights: Tensor) -> Tensor:
    """Sum activations (P, C, h, w) times weights (P, C) over channels, giving (P, h, w)."""
    return torch.einsum("pchw,pc->phw", activations, weights)


def plus_plus_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """The channel weights (P, C), at least 0, of GradCAM++ from activations and gradients (P, C, h, w)."""
    squares, sums = gradients**2, activations.sum((2, 3), keepdim=True)
    divisor = 2 * squares + sums * squares * gradients
    alphas = torch.where(divisor != 0, squares / torch.where(divisor != 0, divisor, torch.ones_like(divisor)), 0)
    return (alphas * gradients.clamp(min=0)).sum((2, 3))


def first_component(tokens: Tensor) -> Tensor:
    """Projection (P, N) of tokens (P, N, C), which are not centred, on their first principal direction."""
    values, vectors = torch.linalg.eigh(tokens @ tokens.transpose(1, 2))  # eigenvalues in ascending order
    projected = vectors[..., -1] * values[:, -1:].clamp(min=0).sqrt()
    return projected * torch.where(projected.sum(1, keepdim=True) < 0, -1, 1)
