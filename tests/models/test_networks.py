"""Options are part of a network's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drkit.errors import UsageError
from drkit.models.networks import architecture_of, create_network, options_of, timm_name, with_options

WORDS = st.text(alphabet="abcxyz019_-. ", max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda values: st.lists(values, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True), VALUES, max_size=4))
def test_options_are_parsed_as_they_were_written(options: dict) -> None:
    name = with_options("vit_tiny_patch16_224.augreg_in21k", options)
    assert (timm_name(name), options_of(name)) == ("vit_tiny_patch16_224.augreg_in21k", options)
    assert architecture_of(name) == with_options("vit_tiny_patch16_224", options)


def test_the_spelling_of_a_name_is_unique() -> None:
    assert with_options("a", {"pool": "avg", "depth": 3, "is_it": True, "size": [2, 3], "word": "1"}) == (
        'a:depth=3:is_it=true:pool=avg:size=[2,3]:word="1"'
    )
    assert with_options("a", {}) == "a"


@pytest.mark.parametrize("value", [object(), {"a": "b:c=1"}, ":c=1"])
def test_options_that_cannot_be_written_are_refused(value: object) -> None:
    with pytest.raises(UsageError, match="a cannot be built with"):
        with_options("a", {"x": value})


def test_a_network_is_built_with_its_options() -> None:
    assert create_network("test_resnet:in_chans=1").conv1[0].weight.shape[1] == 1
