"""Weights in several files with an index."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from drkit.errors import InputError
from drkit.models.weights import read_foreign
from drkit.models.weights.files import sha256_weights

Hub = Any  # of conftest.py
NAME = "test_resnet"
SPLIT_TENSORS = timm.create_model(NAME).state_dict()
INDEX = "model.safetensors.index.json"
SHARDS = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A folder with one network in two shards."""
    names = sorted(SPLIT_TENSORS)
    weight_map = {name: SHARDS[position % 2] for position, name in enumerate(names)}
    for shard in SHARDS:
        save_file({name: SPLIT_TENSORS[name] for name in names if weight_map[name] == shard}, tmp_path / shard)
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return tmp_path


def test_shards_are_read_from_an_index_a_folder_or_a_repository(sharded: Path, hub: Hub) -> None:
    hub.add("some/large", {path.name: path.read_bytes() for path in sharded.iterdir()})
    hub.add("some/folders", {f"eyes/{path.name}": path.read_bytes() for path in sharded.iterdir()})
    sources = [
        sharded / INDEX,
        sharded,
        f"local-dir:{sharded}",
        "hf-hub:some/large",
        f"hf-hub:some/folders:eyes/{INDEX}",
    ]
    weights = [read_foreign(source, NAME) for source in sources]
    for foreign in weights:
        assert foreign.tensors.keys() == SPLIT_TENSORS.keys()
        assert all(torch.equal(foreign.tensors[name], tensor) for name, tensor in SPLIT_TENSORS.items())
    assert len({foreign.sha256 for foreign in weights}) == 1
    num_requests = len(hub.requests)
    read_foreign("hf-hub:some/large", NAME)
    assert len(hub.requests) == num_requests  # all of it is in the cache


def test_the_hash_depends_on_the_tensors(sharded: Path) -> None:
    before = sha256_weights(sharded / INDEX)
    (sharded / SHARDS[1]).write_bytes(b"others")
    assert sha256_weights(sharded / INDEX) != before


def test_a_single_shard_is_refused(sharded: Path) -> None:
    with pytest.raises(
        InputError, match=r"one of several shards: name their index, such as model\.safetensors\.index\.json"
    ):
        read_foreign(sharded / SHARDS[0], NAME)
    (sharded / INDEX).unlink()
    with pytest.raises(InputError, match=r"contain no weights: .*\.safetensors\.index\.json"):
        read_foreign(sharded, NAME)


def test_a_missing_or_incomplete_shard_is_reported(sharded: Path) -> None:
    save_file({"other": torch.ones(2)}, sharded / SHARDS[1])
    with pytest.raises(InputError, match=rf"{SHARDS[1]} does not contain the tensors .* that {INDEX} lists"):
        read_foreign(sharded, NAME)
    (sharded / SHARDS[1]).unlink()
    with pytest.raises(InputError, match=rf"{SHARDS[1]}, a shard of {INDEX}, is missing: download all shards"):
        read_foreign(sharded, NAME)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not an index of shards"),
        ("[]", "is not an index of shards"),
        ('{"metadata": {}}', "expected a JSON object with 'weight_map'"),
        ('{"weight_map": {}}', "contains no tensors"),
        ('{"weight_map": {"a": "../secret.safetensors"}}', r"names '\.\./secret\.safetensors' as a shard"),
        (
            '{"weight_map": {"a": "code.pkl"}}',
            r"names 'code\.pkl' as a shard: expected a \.safetensors file in the same folder",
        ),
    ],
)
def test_a_broken_index_is_refused_in_a_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(InputError, match=message) as refused:
        read_foreign(tmp_path, NAME)
    assert "\n" not in str(refused.value)
