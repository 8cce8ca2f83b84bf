"""A hub that is not asked where the weights are at hand, and once where it is not there."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from drkit.errors import InputError
from drkit.models import backbones
from drkit.models.backbones import build_backbone
from drkit.models.weights import cached_weights, check_hub, hub

NEVER_PRETRAINED = next(name for name in timm.list_models() if not timm.is_model_pretrained(name))


def test_weights_in_the_hubs_cache_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def look(repository: str, file: str, revision: str | None) -> str | None:
        asked.append((repository, file, revision))
        return "/somewhere" if file == "pytorch_model.bin" and "a1_in1k" in repository else None

    monkeypatch.setattr(hub, "try_to_load_from_cache", look)
    assert cached_weights("resnet18.a1_in1k") == "/somewhere"
    assert cached_weights("resnet18.a2_in1k") is None
    assert ("timm/resnet18.a1_in1k", "model.safetensors", None) in asked


def test_weights_that_come_from_an_address_are_looked_for_in_torchs_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name, config = next(
        (name, config)
        for name in timm.list_models(pretrained=True)
        if (config := timm.get_pretrained_cfg(name)).url and not config.hf_hub_id
    )
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert cached_weights(name) is None
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / config.url.rpartition("/")[2]
    path.touch()
    assert cached_weights(name) == str(path)


def test_a_network_that_was_never_pretrained_has_none() -> None:
    assert cached_weights(NEVER_PRETRAINED) is None


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm would ask on: port 9 of this machine answers nobody."""
    monkeypatch.setattr(hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(backbones, "cached_weights", lambda _: None)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("timm was asked"))
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 does not answer: .*--weights none"):
        build_backbone("resnet18", 64, pretrained=True)


def test_a_hub_is_not_asked_for_what_it_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "get_session", lambda: pytest.fail("the hub was asked"))
    check_hub(NEVER_PRETRAINED)


def test_the_copy_of_an_earlier_download_is_taken_without_a_word_to_the_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tensors = timm.create_model("test_resnet").state_dict()
    save_file(tensors, tmp_path / "model.safetensors")
    monkeypatch.setattr(backbones, "cached_weights", lambda _: str(tmp_path / "model.safetensors"))
    monkeypatch.setattr(hub, "get_session", lambda: pytest.fail("the hub was asked"))
    backbone = build_backbone("test_resnet", 64, pretrained=True)
    for name, tensor in backbone.network.state_dict().items():
        assert torch.equal(tensor, tensors[name]), name
