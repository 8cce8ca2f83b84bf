"""The list of backbones."""

import pytest
import timm

from drkit.catalogue import SHORT_BACKBONES
from drkit.errors import UsageError
from drkit.models import backbones, listing
from drkit.models.listing import count_parameters, known_parameters, list_backbones


def _by_name(pattern: str) -> dict[str, listing.BackboneEntry]:
    return {entry.name: entry for entry in list_backbones(pattern)}


def test_an_entry_has_parameters_side_and_location_of_weights() -> None:
    entry = _by_name("tf_efficientnet_lite*")["tf_efficientnet_lite0"]
    assert (entry.parameters, entry.side, entry.weights) == (4.65, 224, "package")
    assert _by_name("resnet18")["resnet18"].parameters == 11.69


def test_a_star_lists_all_backbones_with_their_parameters() -> None:
    entries = _by_name("*")
    assert set(entries) == {*timm.list_models(), *SHORT_BACKBONES}
    assert list(entries) == sorted(entries)


def test_the_courses_names_are_listed() -> None:
    entries = _by_name("mobilenet*v2*")
    assert entries["mobilenet_v2"].parameters == entries["mobilenetv2_100"].parameters == 3.5


def test_tags_are_listed_if_a_pattern_has_a_dot() -> None:
    assert {"resnet18.a1_in1k", "resnet18.tv_in1k"} <= set(_by_name("resnet18.*"))


@pytest.mark.parametrize(
    "name", ["test_vit", "test_convnext", "resnet18", "efficientnet_b0", "swin_tiny_patch4_window7_224"]
)
def test_the_table_of_parameters_is_correct(name: str) -> None:
    assert known_parameters()[name] == count_parameters(name)


def test_a_few_models_that_are_missing_from_the_table_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "known_parameters", dict)
    assert _by_name("test_vit")["test_vit"].parameters == pytest.approx(known_parameters()["test_vit"] / 1e6, abs=0.01)
    assert _by_name("resnet*")["resnet18"].parameters is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("resnet", r"names match 'resnet\*'"),
        ("reznet18*", "did you mean resnet18"),
        ("zzzzz*", "no name is"),
    ],
)
def test_a_pattern_without_matches_is_refused_with_similar_names(pattern: str, words: str) -> None:
    with pytest.raises(UsageError, match=rf"no backbone matches '{pattern.replace('*', '.')}': .*{words}"):
        list_backbones(pattern)


def test_weights_of_an_earlier_download_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "cached_weights", lambda name: "/somewhere" if "a1_in1k" in name else None)
    entries = _by_name("resnet18.*")
    assert entries["resnet18.a1_in1k"].weights == "cache"
    assert entries["resnet18.a2_in1k"].weights is None
