"""Every family of backbones gives a feature map, and no layers of its own head are left."""

import pytest
import torch
from torch import nn

from drkit.errors import InputError, UsageError
from drkit.models import backbones
from drkit.models.backbones import NoFeatureMapError, as_map, build_backbone, input_format, resolve_backbone

FAMILIES = {
    "test_resnet": (96, 2),
    "test_efficientnet": (256, 2),
    "test_convnext": (64, 2),
    "test_vit": (64, 4),
    "mobilenetv3_small_050": (288, 2),
    "densenet121": (1024, 2),
    "eva02_tiny_patch14_224": (192, 4),
    "swin_tiny_patch4_window7_224": (768, 2),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_backbone_gives_a_feature_map(name: str) -> None:
    channels, side = FAMILIES[name]
    size = 56 if "patch14" in name else 64
    backbone = build_backbone(name, size, pretrained=False).eval()
    features = backbone(torch.randn(2, 3, size, size))
    assert features.shape == (2, channels, side, side)
    assert backbone.num_features == channels


@pytest.mark.parametrize("name", ["crossvit_tiny_240"])
def test_a_network_without_a_feature_map_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be used as a backbone"):
        build_backbone(name, 240, pretrained=False)


def test_vgg_keeps_its_512_features_and_drops_the_large_layers() -> None:
    backbone = build_backbone(resolve_backbone("vgg16"), 64, pretrained=False)
    assert backbone.num_features == 512
    assert sum(parameter.numel() for parameter in backbone.parameters()) < 15_000_000


def test_a_token_map_has_each_patch_at_its_position() -> None:
    """The map's channels at a position are the token of that patch, without class tokens."""
    backbone = build_backbone("test_vit", 64, pretrained=False).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        tokens = backbone.network.forward_features(images)[0, backbone.network.num_prefix_tokens :]
        features = backbone(images)[0]
    assert torch.allclose(features[:, 1, 2], tokens[1 * 4 + 2])


@pytest.mark.parametrize(
    ("shape", "prefix", "expected"),
    [((2, 5, 4, 4), 0, (2, 5, 4, 4)), ((2, 4, 4, 5), 0, (2, 5, 4, 4)), ((2, 17, 5), 1, (2, 5, 4, 4)),
     ((2, 16, 5), 0, (2, 5, 4, 4)), ((2, 16, 5), 1, (2, 5, 4, 4))],
)  # fmt: skip
def test_every_kind_of_output_is_converted_to_a_map(shape: tuple, prefix: int, expected: tuple) -> None:
    assert as_map(torch.zeros(shape), prefix).shape == expected


def test_tokens_keep_their_positions() -> None:
    tokens = torch.arange(18.0).reshape(1, 9, 2)
    assert as_map(tokens)[0, 0].tolist() == [[0, 2, 4], [6, 8, 10], [12, 14, 16]]
    with pytest.raises(NoFeatureMapError, match="7 tokens do not form a square map"):
        as_map(torch.zeros(1, 7, 2))
    with pytest.raises(NoFeatureMapError, match="not a single feature map"):
        as_map(torch.zeros(2, 7))


def test_a_norm_after_the_pool_is_kept_without_the_classifier() -> None:
    backbone = build_backbone("test_convnext", 64, pretrained=False)
    assert isinstance(backbone.head_norm, nn.LayerNorm)
    assert not any(isinstance(module, nn.Linear) for module in backbone.network.head.modules())


def test_short_full_and_misspelled_names() -> None:
    assert resolve_backbone("mobilenet_v2") == "mobilenetv2_100"
    assert resolve_backbone("convnext_atto") == "convnext_atto"
    with pytest.raises(UsageError, match="did you mean resnet18"):
        resolve_backbone("resnet81")
    with pytest.raises(UsageError, match=r"unknown backbone 'resnet18\.foo'"):
        resolve_backbone("resnet18.foo")


def test_a_name_can_carry_options() -> None:
    name = resolve_backbone("test_vit:global_pool=avg:class_token=false")
    assert name == "test_vit:class_token=false:global_pool=avg"
    backbone = build_backbone(name, 64, pretrained=False)
    assert backbone.architecture == name
    assert isinstance(backbone.head_norm, nn.LayerNorm)
    assert backbone.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 64, 4, 4)
    assert input_format(name, None) == input_format("test_vit", None)
    with pytest.raises(UsageError, match=r"test_vit:nonsense=1 cannot be built"):
        build_backbone("test_vit:nonsense=1", 64, pretrained=False)


def test_a_repository_without_a_scheme_is_refused_with_the_correct_spelling() -> None:
    with pytest.raises(UsageError, match="write hf-hub:some/eyes for a repository, local-dir:some/eyes for a folder"):
        resolve_backbone("some/eyes")


def test_the_input_format_is_the_backbones_own_unless_a_side_is_given() -> None:
    own = input_format("tf_efficientnet_lite0", None)
    assert (own.side, own.mean, own.std) == (224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert input_format("resnet18", 320).side == 320


def test_unavailable_weights_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(backbones, "fetch_weights", lambda _: None)
    monkeypatch.setattr(backbones.timm, "create_model", offline)
    with pytest.raises(InputError, match=r"no route to host.*--weights none.*tf_efficientnet_lite0"):
        build_backbone("resnet18", 64, pretrained=True)


def test_a_side_that_the_network_does_not_accept_is_refused() -> None:
    with pytest.raises(UsageError, match="of 50 pixels"):
        build_backbone("test_vit", 50, pretrained=False)
