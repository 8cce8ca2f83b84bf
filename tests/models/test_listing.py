"""The list of backbones."""

from pathlib import Path

import pytest
import timm
import torch

from drkit.catalogue import SHORT_BACKBONES
from drkit.errors import UsageError
from drkit.models import listing
from drkit.models.listing import count_parameters, known_parameters, list_backbones


def _by_name(pattern: str) -> dict[str, listing.BackboneEntry]:
    return {entry.name: entry for entry in list_backbones(pattern)}


def test_an_entry_says_size_side_and_where_weights_are() -> None:
    entry = _by_name("tf_efficientnet_lite*")["tf_efficientnet_lite0"]
    assert (entry.parameters, entry.side, entry.weights) == (4.65, 224, "package")
    assert _by_name("resnet18")["resnet18"].parameters == 11.69


def test_a_star_lists_everything_with_its_parameters() -> None:
    entries = _by_name("*")
    assert set(entries) == {*timm.list_models(), *SHORT_BACKBONES}
    assert list(entries) == sorted(entries)


def test_the_courses_names_are_listed_too() -> None:
    entries = _by_name("mobilenet*v2*")
    assert entries["mobilenet_v2"].parameters == entries["mobilenetv2_100"].parameters == 3.5


def test_tags_are_listed_where_a_pattern_has_a_dot() -> None:
    assert {"resnet18.a1_in1k", "resnet18.tv_in1k"} <= set(_by_name("resnet18.*"))


@pytest.mark.parametrize(
    "name", ["test_vit", "test_convnext", "resnet18", "efficientnet_b0", "swin_tiny_patch4_window7_224"]
)
def test_the_table_of_parameters_is_right(name: str) -> None:
    assert known_parameters()[name] == count_parameters(name)


def test_models_that_the_table_lacks_are_counted_if_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "known_parameters", dict)
    assert _by_name("test_vit")["test_vit"].parameters == pytest.approx(known_parameters()["test_vit"] / 1e6, abs=0.01)
    assert _by_name("resnet*")["resnet18"].parameters is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("resnet", r"names begin so, ask for 'resnet\*'"),
        ("reznet18*", "did you mean resnet18"),
        ("zzzzz*", "no name is"),
    ],
)
def test_an_empty_pattern_names_itself_and_near_names(pattern: str, words: str) -> None:
    with pytest.raises(UsageError, match=rf"no backbone fits '{pattern.replace('*', '.')}': .*{words}"):
        list_backbones(pattern)


def test_weights_in_a_hubs_cache_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def look(repository: str, file: str, revision: str | None) -> str | None:
        asked.append((repository, file, revision))
        return "/somewhere" if file == "pytorch_model.bin" and "a1_in1k" in repository else None

    monkeypatch.setattr(listing, "try_to_load_from_cache", look)
    entries = _by_name("resnet18.*")
    assert entries["resnet18.a1_in1k"].weights == "cache"
    assert entries["resnet18.a2_in1k"].weights is None
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
    assert _by_name(name)[name].weights is None
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / config.url.rpartition("/")[2]).touch()
    assert _by_name(name)[name].weights == "cache"
