"""The configuration of a timm repository is read as timm reads it, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save
from timm.models import save_for_hf

from drkit.errors import InputError, UsageError
from drkit.models.backbones import Backbone, build_backbone
from drkit.models.networks import create_network
from drkit.models.timm_config import NoTimmConfigError, read_timm_config
from drkit.models.weights import read_foreign
from drkit.models.weights.repository import HubRepository, LocalRepository

Hub = Any  # of conftest.py
EYES = HubRepository("some/eyes")
SIDE = 64


def _exported(folder: Path, name: str, **options: Any) -> dict[str, bytes]:
    """The files of a repository, written by timm."""
    torch.manual_seed(1)
    network = timm.create_model(name, **options)
    save_for_hf(network, folder, safe_serialization=True, model_args=options)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("test_resnet", {"num_classes": 5}),
        ("test_efficientnet", {"num_classes": 1}),
        ("test_convnext", {"num_classes": 5}),
        ("test_vit", {"num_classes": 5, "img_size": SIDE}),
        ("test_vit", {"num_classes": 1, "img_size": SIDE, "global_pool": "avg", "class_token": False}),
        ("test_vit", {"num_classes": 1, "img_size": 96, "drop_path_rate": 0.1}),
    ],
    ids=str,
)
def test_the_backbone_equals_the_network_that_timm_builds(
    hub: Hub, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    hub.add("some/eyes", _exported(tmp_path / "exported", name, **options))
    config = read_timm_config(EYES)
    assert config.input_format.side == options.get("img_size", 160)
    backbone = build_backbone(config.backbone, SIDE, pretrained=False)
    report = backbone.load_foreign(read_foreign(str(EYES), config.backbone))
    assert (report.share, report.missing, report.mismatched) == (1.0, (), ())
    assert report.source == "hf-hub:some/eyes:model.safetensors"
    network = timm.create_model("hf-hub:some/eyes", pretrained=True, **({"img_size": SIDE} if "vit" in name else {}))
    assert network.num_classes == options["num_classes"]
    images = torch.randn(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        expected = Backbone(network.eval(), SIDE).eval()(images)
        assert torch.allclose(backbone.eval()(images), expected, atol=1e-5)


def test_side_and_normalisation_are_those_of_the_repository(hub: Hub, tmp_path: Path) -> None:
    files = _exported(tmp_path, "test_resnet")
    content = json.loads(files["config.json"])
    content["pretrained_cfg"] |= {"input_size": [3, 512, 512], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    hub.add("some/eyes", files | {"config.json": json.dumps(content).encode()})
    config = read_timm_config(EYES)
    assert config.backbone == "test_resnet"
    assert (config.input_format.side, config.input_format.mean, config.input_format.std) == (
        512,
        (0.1, 0.2, 0.3),
        (0.4, 0.5, 0.6),
    )


def test_timms_format_from_before_2023_is_read(hub: Hub) -> None:
    """Then, the file itself was the configuration of the weights."""
    old = {
        "architecture": "resnet18", "num_classes": 5, "num_features": 512, "labels": ["a", "b", "c", "d", "e"],
        "input_size": [3, 448, 448], "interpolation": "bilinear", "crop_pct": 0.95, "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25], "first_conv": "conv1", "classifier": "fc", "pool_size": [14, 14],
    }  # fmt: skip
    hub.add("some/eyes", {"config.json": json.dumps(old).encode()})
    config = read_timm_config(EYES)
    assert (config.backbone, config.input_format.side, config.input_format.std) == ("resnet18", 448, (0.25, 0.25, 0.25))


def test_a_grey_network_gets_three_channels(hub: Hub, tmp_path: Path) -> None:
    files = _exported(tmp_path, "test_resnet", in_chans=1)
    content = json.loads(files["config.json"])
    content["pretrained_cfg"] |= {"mean": [0.3], "std": [0.2]}
    hub.add("some/eyes", files | {"config.json": json.dumps(content).encode()})
    config = read_timm_config(EYES)
    assert (config.backbone, config.input_format.mean) == ("test_resnet", (0.3, 0.3, 0.3))
    report = build_backbone(config.backbone, SIDE, pretrained=False).load_foreign(
        read_foreign(str(EYES), "test_resnet")
    )
    assert (report.share, report.is_converted) == (1.0, True)


def test_options_that_change_the_network_are_part_of_its_name() -> None:
    plain, pooled = create_network("test_vit"), create_network("test_vit:class_token=false:global_pool=avg")
    assert plain.num_prefix_tokens == 1
    assert pooled.num_prefix_tokens == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"has no config\.json.*--backbone, and the weights with --weights hf-hub:some/eyes"),
        (
            {"model_type": "vit", "architectures": ["ViTModel"]},
            r"config\.json is that of vit, not of timm: name timm's network",
        ),
        ({"lr": 0.1}, r"config\.json is that of another library, not of timm"),
    ],
)
def test_a_repository_of_another_library_is_refused_with_advice(hub: Hub, content: Any, message: str) -> None:
    hub.add("some/eyes", {} if content is None else {"config.json": json.dumps(content).encode()})
    with pytest.raises(NoTimmConfigError, match=message):
        read_timm_config(EYES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"config\.json cannot be read"),
        (b"\xff\xfe", r"config\.json cannot be read"),
        (b"[]", "expected a JSON object"),
        (
            b'{"architecture": "resnet1800"}',
            r"contains weights of resnet1800, which timm .* does not know: update timm",
        ),
        (b'{"architecture": "resnet18", "pretrained_cfg": {"mean": "x"}}', "is not what timm writes"),
        (b'{"architecture": "resnet18", "pretrained_cfg": {"mean": [1, 2]}}', "is not what timm writes"),
        (b'{"architecture": "resnet18", "pretrained_cfg": {"input_size": []}}', "is not what timm writes"),
        (b'{"architecture": "resnet18", "pretrained_cfg": 3}', "is not what timm writes"),
        (b'{"architecture": "resnet18", "model_args": [1]}', "is not what timm writes"),
    ],
)
def test_an_unusable_configuration_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_timm_config(LocalRepository(tmp_path))


def test_an_option_unknown_to_the_network_is_refused(hub: Hub) -> None:
    content = {"architecture": "test_resnet", "model_args": {"nonsense": 3}}
    hub.add("some/eyes", {"config.json": json.dumps(content).encode(), "model.safetensors": save({"a": torch.ones(1)})})
    with pytest.raises(UsageError, match=r"test_resnet:nonsense=3 cannot be built .*unexpected keyword"):
        build_backbone(read_timm_config(EYES).backbone, SIDE, pretrained=False)
