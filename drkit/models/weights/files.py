"""Read files of weights without executing any code in them."""

import json
import pickle
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from drkit.errors import InputError, first_few
from drkit.records.filenames import check_spelling
from drkit.records.provenance import sha256_bytes, sha256_file

INDEX_SUFFIX = ".safetensors.index.json"  # written by Hugging Face's libraries
SHARD = re.compile(r"-\d+-of-(?!0*1\.)\d+\.safetensors", re.IGNORECASE)  # a single shard is a complete file
EXPECTED_CONTENT = "expected a file written by torch.save(model.state_dict(), ...) or safetensors"
REMEDY = (
    "if you trust the file, load it where its code is installed, and save its tensors with"
    " torch.save(model.state_dict(), 'weights.pth')"
)
CONTAINERS = (Mapping, list, tuple)
MAX_CONTAINERS = 2**17  # far more than any training stores beside weights
NETWORK_MODULES = ("torch.nn.", "torchvision.", "timm.", "__main__.", "efficientnet_pytorch.", "pretrainedmodels.")

# The function or class that torch's restricted unpickler names when it refuses a file.
REFUSED_OBJECT = re.compile(r"GLOBAL ([\w.]+)|function ([\w.]+)|<class '([\w.]+)'>")


class _IgnoredObject:
    """Replaces a harmless object that is not a tensor, such as a kappa of a NumPy type; it does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


# Objects that trainings often store beside tensors; `_IgnoredObject` is called instead of them.
IGNORED_OBJECTS = (
    "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib._local.PosixPath",
)  # fmt: skip
SAFE_GLOBALS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((_IgnoredObject, name) for name in IGNORED_OBJECTS),
    (Namespace, "argparse.Namespace"),
]


OTHER_FORMATS = {
    b"<": "a web page: download the file itself",
    b"version https://git-lfs": "a Git LFS pointer: fetch the file itself with git lfs pull",
    b"\x89HDF": "an HDF5 file, as written by Keras: only PyTorch and safetensors files can be read",
    b"PK": "a zip archive that was not written by torch.save: unpack it",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x93NUMPY": "a NumPy array: only PyTorch and safetensors files can be read",
    b"PAR1": "a parquet file: only PyTorch and safetensors files can be read",
}


def read_tensors(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read every group of named tensors in a file, on the CPU.

    Args:
        path: A file of torch.save, a safetensors file, or the index of several safetensors files.

    Returns:
        The tensors by name, for each path of keys in the file (`""`, `"state_dict"`, `"checkpoint.model_ema"`), without
        those of an optimizer.

    Raises:
        InputError: the file is missing or damaged, contains no tensors, or contains code, which is not executed.
    """
    check_spelling([path])
    if is_index(path):
        return {"": _read_shards(path)}
    if is_shard(path):
        raise InputError(f"{path} is one of several shards: name their index, such as model{INDEX_SUFFIX}")
    has_header = _start(path)[8:10] == b'{"'  # safetensors begin with the length of a JSON object and that object
    is_safetensors = has_header or path.suffix.lower() == ".safetensors"
    content = _read_safetensors(path) if is_safetensors else _read_pickle(path)
    try:
        groups = dict(_collect(content, (), iter(range(MAX_CONTAINERS))))
    except RecursionError:
        raise InputError(f"{path} contains endlessly nested lists: {EXPECTED_CONTENT}") from None
    if not groups:
        raise InputError(f"{path} contains no named tensors: {EXPECTED_CONTENT}")
    return groups


def _start(path: Path, count: int = 64) -> bytes:
    """The first bytes of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged or not a safetensors file ({error}): {_describe_content(path)}") from None


def _read_shards(index: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for shard, names in read_index(index).items():
        path = index.parent / shard
        if not path.is_file():
            raise InputError(f"{path}, a shard of {index.name}, is missing: download all shards into one folder")
        in_shard = _read_safetensors(path)
        if missing := [name for name in names if name not in in_shard]:
            raise InputError(
                f"{path} does not contain the tensors {first_few(missing, 3)} that {index.name} lists: download both"
                " again"
            )
        tensors |= {name: in_shard[name] for name in names}
    return tensors


def _read_pickle(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _explain_refusal(path, str(error)) from None
    except Exception as error:  # torch.load raises many kinds of errors for a damaged file
        if "TorchScript" in str(error):
            raise InputError(
                f"{path} is a TorchScript program, and drkit executes no code in files: if you trust the file, save its"
                " tensors with torch.save(torch.jit.load(...).state_dict(), 'weights.pth')"
            ) from None
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path} is damaged or not a file of weights ({reason}): {_describe_content(path)}") from None


def _explain_refusal(path: Path, message: str) -> InputError:
    """Explain why torch's restricted unpickler refused a file: code, a pickled network, or damage."""
    match = REFUSED_OBJECT.search(message)
    if match is None:
        reason = message.partition("WeightsUnpickler error: ")[2].partition("\n")[0] or message.partition("\n")[0]
        return InputError(f"{path} is damaged or not a file of weights ({reason}): {_describe_content(path)}")
    name = next(filter(None, match.groups()))
    if name.startswith(NETWORK_MODULES):
        return InputError(
            f"{path} contains a complete pickled network ({name}), which cannot be loaded without executing code, and"
            f" drkit executes no code in files: {REMEDY}"
        )
    return InputError(
        f"{path} contains a call of {name}, and drkit executes no code in files (nothing was executed): {REMEDY}"
    )


def _describe_content(path: Path) -> str:
    """Describe what a file that does not contain weights seems to contain, and what to do."""
    start = _start(path).lstrip()
    if not start:
        return "it is empty: download it again"
    for beginning, description in OTHER_FORMATS.items():
        if start.startswith(beginning):
            return f"it is {description}"
    return EXPECTED_CONTENT


def _collect(value: Any, keys: tuple[str, ...], budget: Iterator[int]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Collect the groups of named tensors in nested dictionaries and lists.

    Raises:
        RecursionError: there are more containers than `budget`, as in lists that contain each other.
    """
    if not isinstance(value, CONTAINERS):
        return
    if next(budget, None) is None:
        raise RecursionError
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    items = [(str(name), item) for name, item in pairs]
    tensors = {name: item.detach() for name, item in items if isinstance(item, Tensor)}
    if tensors and isinstance(value, Mapping):
        yield ".".join(keys), tensors
    for name, item in items:
        if not name.startswith("optim"):
            yield from _collect(item, (*keys, name), budget)


def is_index(file: PurePath) -> bool:
    """Whether a file has the name of an index of shards."""
    return file.name.lower().endswith(INDEX_SUFFIX)


def is_shard(file: PurePath) -> bool:
    """Whether a file has the name of one of several shards."""
    return SHARD.search(file.name) is not None


def read_index(path: Path) -> dict[str, list[str]]:
    """Read the names of the tensors in each shard of an index, by file name.

    Raises:
        InputError: the file is not an index, or names a file outside its own folder.
    """
    try:
        shard_of = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise InputError(
            f"{path} is not an index of shards ({error!r}): expected a JSON object with 'weight_map'"
        ) from None
    if not isinstance(shard_of, Mapping) or not shard_of:
        raise InputError(f"{path} is not an index of shards: its 'weight_map' contains no tensors")
    shards: dict[str, list[str]] = {}
    for tensor, shard in shard_of.items():
        if not isinstance(shard, str) or PurePath(shard).name != shard or not shard.endswith(".safetensors"):
            raise InputError(f"{path} names {shard!r} as a shard: expected a .safetensors file in the same folder")
        shards.setdefault(shard, []).append(tensor)
    return shards


def sha256_weights(path: Path) -> str:
    """SHA-256 of a file of weights; for an index, of the SHA-256 of its shards."""
    if not is_index(path):
        return sha256_file(path)
    hashes = [sha256_file(path.parent / shard) for shard in sorted(read_index(path))]
    return sha256_bytes("\n".join(hashes).encode())
