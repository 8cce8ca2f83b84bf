"""Weights split into several safetensors files (shards), and the index that says which tensor lies in which."""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePath

from drkit.errors import InputError
from drkit.records.provenance import sha256_bytes, sha256_file

INDEX_SUFFIX = ".safetensors.index.json"  # as Hugging Face's libraries write it
SHARD = re.compile(r"-\d+-of-(?!0*1\.)\d+\.safetensors", re.IGNORECASE)  # and not one of one


def is_index(file: PurePath) -> bool:
    """Whether a file is named as an index of shards."""
    return file.name.lower().endswith(INDEX_SUFFIX)


def is_shard(file: PurePath) -> bool:
    """Whether a file is named as one of several shards."""
    return SHARD.search(file.name) is not None


def read_index(path: Path) -> dict[str, list[str]]:
    """The shards of an index, by file name, each with the names of its tensors.

    Raises:
        InputError: no index, or one that names a file outside its own folder.
    """
    try:
        shard_of = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise InputError(
            f"{path} is no index of shards ({error!r}): a JSON object with 'weight_map' is expected"
        ) from None
    if not isinstance(shard_of, Mapping) or not shard_of:
        raise InputError(f"{path} is no index of shards: its 'weight_map' names no tensors")
    shards: dict[str, list[str]] = {}
    for tensor, shard in shard_of.items():
        if not isinstance(shard, str) or PurePath(shard).name != shard or not shard.endswith(".safetensors"):
            raise InputError(f"{path} names {shard!r} as a shard: a .safetensors file beside it is expected")
        shards.setdefault(shard, []).append(tensor)
    return shards


def sha256_weights(path: Path) -> str:
    """Hash of a file of weights; of an index, of all that its shards hold."""
    if not is_index(path):
        return sha256_file(path)
    hashes = [sha256_file(path.parent / shard) for shard in sorted(read_index(path))]
    return sha256_bytes("\n".join(hashes).encode())
