"""Torchvision's tensors under timm's names make the same network."""

import pytest
import timm
import torch
import torchvision

from drkit.models.weights.state_dict import TORCHVISION, dialects, head_norm_name, timm_shapes

NETWORKS = {name: {"mobilenetv2_100": "mobilenet_v2"}.get(name, name) for name in TORCHVISION}


@pytest.mark.parametrize("name", NETWORKS)
def test_timms_network_gives_torchvisions_logits(name: str) -> None:
    """The whole networks, classifiers included, on random weights and random running statistics.

    VGG's fully connected layers are convolutions in timm: the same numbers in another shape.
    """
    with torch.device("meta"):
        theirs = getattr(torchvision.models, NETWORKS[name])().eval()
        ours = timm.create_model(name)
    _randomise(theirs.to_empty(device="cpu"))
    known, shapes = dialects(name).get("torchvision", dialects(name)["timm"]), timm_shapes(name)
    renamed = {known[n]: tensor.reshape(shapes[known[n]]) for n, tensor in theirs.state_dict().items()}
    ours.load_state_dict(renamed, strict=True, assign=True)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        wanted, found = theirs(images), ours.eval()(images)
    assert wanted.std() > 1e-3
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_every_name_of_a_dialect_leads_to_another_tensor() -> None:
    for name in TORCHVISION:
        for known in dialects(name).values():
            assert sorted(known.values()) == sorted(timm_shapes(name))


def test_torchvisions_first_names_of_densenet() -> None:
    known = dialects("densenet121")["torchvision's first"]
    assert known["features.denseblock1.denselayer2.norm.1.weight"] == "features.denseblock1.denselayer2.norm1.weight"
    assert known["features.norm0.weight"] == "features.norm0.weight"


def test_the_norm_between_pool_and_classifier() -> None:
    assert head_norm_name("test_convnext") == "head.norm"
    assert head_norm_name("resnet18") is None


def _randomise(network: torch.nn.Module) -> None:
    """Fill tensors so that activations keep their size from layer to layer."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            bound = (6 / tensor[0].numel()) ** 0.5
            tensor.uniform_(-bound, bound, generator=generator)
        elif name.endswith(("running_var", "weight")):
            tensor.uniform_(0.8, 1.2, generator=generator)
        elif not name.endswith("num_batches_tracked"):
            tensor.uniform_(-0.1, 0.1, generator=generator)
