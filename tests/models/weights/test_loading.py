"""Foreign tensors are loaded completely or not at all, with a report."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from drkit.errors import InputError
from drkit.models.backbones import Backbone, build_backbone
from drkit.models.weights import WeightsMismatchError, load_foreign, read_foreign
from drkit.models.weights.loading import recognise
from drkit.models.weights.state_dict import ForeignWeights

SHARED = Path(__file__).resolve().parents[4] / "shared"
FAMILIES = {
    "test_resnet": 64,
    "test_efficientnet": 64,
    "test_convnext": 64,
    "test_vit": 64,
    "test_nfnet": 64,
    "densenet121": 64,
    "vgg11": 64,
    "swin_tiny_patch4_window7_224": 64,
    "mobilenetv3_small_050": 64,
}


def _foreign(tensors: Mapping[str, Tensor], backbone: str, **fields: object) -> ForeignWeights:
    return ForeignWeights(backbone=backbone, path=Path("a.pth"), sha256="0" * 64, tensors=tensors, **fields)  # type: ignore[arg-type]


def _whole(name: str, side: int) -> nn.Module:
    config = timm.get_pretrained_cfg(name)
    return timm.create_model(name, **({"img_size": side} if config.fixed_input_size else {}))


def _snapshot(backbone: Backbone) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in backbone.state_dict().items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_loads_its_own_tensors_completely(name: str) -> None:
    side = FAMILIES[name]
    network, backbone = _whole(name, side), build_backbone(name, side, pretrained=False)
    report = backbone.load_foreign(_foreign(network.state_dict(), name))
    assert (report.share, report.missing, report.unexpected, report.mismatched) == (1.0, (), (), ())
    assert report.left_out  # the classifier
    images = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        assert torch.allclose(backbone.eval()(images), Backbone(network.eval(), side).eval()(images), atol=1e-5)


@pytest.mark.parametrize("name", ["efficientnet_b0", "resnet18"])
def test_torchvisions_file_without_its_head_is_complete(name: str, tmp_path: Path) -> None:
    state_dict = getattr(torchvision.models, name)().state_dict()
    tensors = {key: tensor for key, tensor in state_dict.items() if not key.startswith(("fc.", "classifier."))}
    torch.save(tensors, tmp_path / f"{name}.pth")
    report = build_backbone(name, 64, pretrained=False).load_foreign(read_foreign(tmp_path, name))
    assert (report.share, report.missing, report.unexpected, report.left_out) == (1.0, (), (), ())


def test_vggs_fully_connected_layers_count_as_the_classifier() -> None:
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in torchvision.models.vgg16().state_dict().items()}
    tensors = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    backbone = build_backbone("vgg16", 64, pretrained=False)
    report = backbone.load_foreign(_foreign(tensors, "vgg16"))
    assert (report.share, report.matched, report.unexpected) == (1.0, 26, ())
    assert set(report.left_out) == {name for name in shapes if name.startswith("classifier.")}
    assert sum(tensor.numel() for tensor in backbone.parameters()) == 14_714_688  # what the share is counted over


def test_the_real_mobilenet_gives_torchvisions_features() -> None:
    folder = SHARED / "weights"
    if not folder.is_dir():
        pytest.skip("../shared/weights is not on this machine")
    backbone = build_backbone("mobilenetv2_100", 96, pretrained=False).eval()
    report = backbone.load_foreign(read_foreign(folder, "mobilenet_v2"))
    assert (report.share, report.left_out) == (1.0, ("classifier.1.weight", "classifier.1.bias"))
    torchvisions = torchvision.models.mobilenet_v2().eval()
    torchvisions.load_state_dict(torch.load(report.source, weights_only=True))
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        features = backbone(images)
        assert torch.allclose(features, torchvisions.features(images), atol=1e-4)
        logits = torchvisions.classifier(features.mean((2, 3)))
    assert torch.allclose(logits, torchvisions(images), atol=1e-4)


def test_position_embeddings_of_another_side_are_resampled() -> None:
    network = timm.create_model("test_vit", img_size=96)
    backbone = build_backbone("test_vit", 64, pretrained=False)
    report = backbone.load_foreign(_foreign(network.state_dict(), "test_vit"))
    assert (report.share, report.is_converted) == (1.0, True)
    assert "matched (converted)" in " ".join(map(str, report.render()))
    smooth = torch.linspace(0, 1, network.pos_embed.shape[1] - 1).reshape(6, 6)[..., None].expand(6, 6, 64)
    with torch.no_grad():
        network.pos_embed[:, 1:] = smooth.reshape(1, 36, 64)
    backbone.load_foreign(_foreign(network.state_dict(), "test_vit"))
    positions = backbone.network.pos_embed[0, 1:, 0].reshape(4, 4)
    assert (positions.diff(dim=0) > 0).all()  # the slope is still there


def test_window_biases_of_another_side_are_resampled() -> None:
    name = "swin_tiny_patch4_window7_224"
    network = timm.create_model(name, img_size=64)
    backbone = build_backbone(name, 128, pretrained=False)
    report = backbone.load_foreign(_foreign(network.state_dict(), name))
    assert (report.share, report.is_converted) == (1.0, True)


def test_the_norm_of_the_pool_is_loaded() -> None:
    network = _whole("test_convnext", 64)
    nn.init.constant_(network.head.norm.weight, 3.0)
    backbone = build_backbone("test_convnext", 64, pretrained=False)
    norm, backbone.head_norm = backbone.head_norm, None
    report = load_foreign(backbone.network, "test_convnext", _foreign(network.state_dict(), "test_convnext"), norm)
    assert "head.norm.weight" not in report.left_out
    assert (norm.weight == 3).all()


def test_a_first_layer_for_grey_images_gives_the_same_output_for_grey_images() -> None:
    network, backbone = (
        timm.create_model("test_resnet", in_chans=1),
        build_backbone("test_resnet", 64, pretrained=False),
    )
    report = backbone.load_foreign(_foreign(network.state_dict(), "test_resnet"))
    assert (report.share, report.is_converted) == (1.0, True)
    grey = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        expected = network.eval().forward_features(grey)
        assert torch.allclose(backbone.eval()(grey.expand(-1, 3, -1, -1)), expected, atol=1e-4)


def test_half_precision_is_converted_to_single() -> None:
    network = _whole("test_resnet", 64)
    backbone = build_backbone("test_resnet", 64, pretrained=False)
    backbone.load_foreign(_foreign({n: t.half() for n, t in network.state_dict().items()}, "test_resnet"))
    weight = backbone.network.layer1[0].conv1.weight
    assert weight.dtype == torch.float32
    assert torch.allclose(weight, network.layer1[0].conv1.weight, atol=1e-3)


def test_a_few_missing_tensors_are_reported() -> None:
    tensors = _whole("test_resnet", 64).state_dict()
    del tensors["bn1.bias"]
    tensors["bn1.weight"] = torch.ones(3)
    tensors["extra"] = torch.ones(1)
    backbone = build_backbone("test_resnet", 64, pretrained=False)
    report = backbone.load_foreign(_foreign(tensors, "test_resnet", others=("fc.0.weight",)))
    assert 0.95 < report.share < 1
    assert report.missing == ("bn1.bias",)
    assert [name for name, *_ in report.mismatched] == ["bn1.weight"]
    assert report.unexpected == ("extra", "fc.0.weight")
    story = list(report.render())
    assert "1 missing, 1 of another shape, 2 unexpected" in story[0]
    assert any("bn1.weight (3,), expected (" in str(line) for line in story)


def test_less_than_95_percent_is_refused_with_a_table_and_nothing_is_loaded() -> None:
    tensors = _whole("test_resnet", 64).state_dict()
    incomplete = {name: tensor for name, tensor in tensors.items() if "layer4" not in name}
    backbone = build_backbone("test_resnet", 64, pretrained=False)
    before = _snapshot(backbone)
    with pytest.raises(
        WeightsMismatchError, match=r"a\.pth contains .*% of the parameters of test_resnet, 95% are.*layer4"
    ) as raised:
        backbone.load_foreign(_foreign(incomplete, "test_resnet"))
    assert [row[0] for row in raised.value.table.rows][:1] == [next(name for name in tensors if "layer4" in name)]
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_another_architecture_is_recognised() -> None:
    tensors = torchvision.models.resnet18().state_dict()
    backbone = build_backbone("efficientnet_b0", 64, pretrained=False)
    with pytest.raises(WeightsMismatchError, match="looks like resnet18: choose --backbone resnet18"):
        backbone.load_foreign(_foreign(tensors, "efficientnet_b0"))
    assert recognise({f"module.{name}": tensor for name, tensor in tensors.items()}) == "resnet18"
    assert recognise({"a.weight": torch.zeros(1)}) is None


def test_a_larger_network_that_contains_the_backbone_is_refused() -> None:
    """A resnet34's file has all names and shapes of a resnet18, but the tensors have another meaning."""
    tensors = torchvision.models.resnet34().state_dict()
    backbone = build_backbone("resnet18", 64, pretrained=False)
    with pytest.raises(
        WeightsMismatchError, match=r"larger network than resnet18, with 10,\d+,\d+ .*--backbone resnet34"
    ):
        backbone.load_foreign(_foreign(tensors, "resnet18"))


def test_a_large_head_does_not_count_as_a_larger_network() -> None:
    tensors = _whole("test_resnet", 64).state_dict()
    head = {"fc.0.weight": torch.zeros(4096, 512), "classifier.9.weight": torch.zeros(4096, 512)}
    report = build_backbone("test_resnet", 64, pretrained=False).load_foreign(_foreign(tensors | head, "test_resnet"))
    assert report.unexpected == tuple(head)


def test_values_that_are_not_finite_are_refused() -> None:
    tensors = _whole("test_resnet", 64).state_dict()
    tensors["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    backbone = build_backbone("test_resnet", 64, pretrained=False)
    before = _snapshot(backbone)
    with pytest.raises(InputError, match=r"layer1\.0\.conv1\.weight contains values that are not finite"):
        backbone.load_foreign(_foreign(tensors, "test_resnet"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_a_runs_backbone_is_loaded_into_the_same_architecture_only(
    tmp_path: Path, write_own: Callable[..., dict]
) -> None:
    """A run's backbone continues unchanged, and another architecture is refused."""
    own = write_own(tmp_path / "stage1.safetensors", "test_efficientnet")
    foreign = read_foreign(tmp_path / "stage1.safetensors", "test_efficientnet")
    backbone = build_backbone("test_efficientnet", 64, pretrained=False)
    report = backbone.load_foreign(foreign)
    assert (report.share, report.missing) == (1.0, ())
    assert torch.equal(backbone.network.conv_stem.weight, own["backbone.network.conv_stem.weight"])
    with pytest.raises(
        WeightsMismatchError, match=r"is a run of test_efficientnet, not of test_resnet.*--backbone test_eff"
    ):
        build_backbone("test_resnet", 64, pretrained=False).load_foreign(foreign)
