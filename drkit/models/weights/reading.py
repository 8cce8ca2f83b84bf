"""Tensors out of a file of any make; nothing that the file asks to run is run."""

import pickle
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from drkit.errors import InputError, first_few
from drkit.models.weights.sharded import INDEX_SUFFIX, is_index, is_shard, read_index
from drkit.records.filenames import check_spelling

SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", INDEX_SUFFIX, ".pth.tar", ".pkl")  # where none is named
EXPECTED = "what torch.save(model.state_dict(), ...) or safetensors write was expected"
CONTAINERS = (Mapping, list, tuple)
NETWORK_MODULES = ("torch.nn.", "torchvision.", "timm.", "__main__.", "efficientnet_pytorch.", "pretrainedmodels.")

# How torch's restricted reader names what it will not call or build.
CULPRIT = re.compile(r"GLOBAL ([\w.]+)|function ([\w.]+)|<class '([\w.]+)'>")


class _Swallowed:
    """Stands for a harmless object that is no tensor, such as a kappa in NumPy's type; it does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


# What trainings like to keep beside tensors. Not these but `_Swallowed` is called for them.
SWALLOWED = (
    "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib._local.PosixPath",
)  # fmt: skip
HARMLESS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((_Swallowed, name) for name in SWALLOWED),
    (Namespace, "argparse.Namespace"),
]


LOOKS_LIKE = {
    b"<": "a web page, download the file itself",
    b"version https://git-lfs": "a pointer of Git LFS, fetch the file itself with git lfs pull",
    b"\x89HDF": "an HDF5 file, as Keras writes: only PyTorch's and safetensors' can be read",
    b"PK": "a zip archive, which torch.save did not write: unpack it",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x93NUMPY": "a NumPy array: only PyTorch's and safetensors' files can be read",
    b"PAR1": "a parquet file: only PyTorch's and safetensors' can be read",
}


def read_tensors(path: Path) -> dict[str, dict[str, Tensor]]:
    """Every group of named tensors in a file, on the CPU.

    Args:
        path: A pickle of torch's, a safetensors file, or the index of several.

    Returns:
        Where in the file (`""`, `"state_dict"`, `"checkpoint.model_ema"`) to the tensors there, by name. An optimizer's
        are left out.

    Raises:
        InputError: missing, damaged, no tensors in it, or code in it, which is not executed.
    """
    check_spelling([path])
    if is_index(path):
        return {"": _read_shards(path)}
    if is_shard(path):
        raise InputError(f"{path} is one of several shards: name their index, as model{INDEX_SUFFIX}")
    content = _read_safetensors(path) if _is_safetensors(path) else _read_pickle(path)
    groups = dict(_collect(content, ()))
    if not groups:
        raise InputError(f"{path} holds no named tensors: expected what torch.save(model.state_dict(), ...) writes")
    return groups


def _is_safetensors(path: Path) -> bool:
    """By its beginning, the length of a JSON object and that object, whatever it is called."""
    return path.suffix.lower() == ".safetensors" or _start(path)[8:10] == b'{"'


def _start(path: Path, count: int = 64) -> bytes:
    """The first bytes of a file; empty for one that cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no safetensors file, or not a whole one ({error}){_suspicion(path)}") from None


def _read_shards(index: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for shard, names in read_index(index).items():
        path = index.parent / shard
        if not path.is_file():
            raise InputError(f"{path} is missing, which {index.name} names: download all shards into one folder")
        held = _read_safetensors(path)
        if absent := [name for name in names if name not in held]:
            raise InputError(f"{path} lacks tensors that {index.name} looks for in it ({first_few(absent, 3)})")
        tensors |= {name: held[name] for name in names}
    return tensors


def _read_pickle(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refuse(path, str(error)) from None
    except Exception as error:  # what a damaged file of unknown making does to torch's reader, nobody has listed
        if "TorchScript" in str(error):
            raise InputError(
                f"{path} is a TorchScript program, and drkit runs no code of a file: save its tensors instead, with"
                " torch.save(torch.jit.load(...).state_dict(), 'weights.pth'), where you trust it"
            ) from None
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path} is damaged, or no weights file ({reason}){_suspicion(path)}") from None


def _refuse(path: Path, complaint: str) -> InputError:
    """Say what torch's safe reader stumbled on: code, a whole network, or bytes that are no pickle."""
    named = CULPRIT.search(complaint)
    if named is None:
        reason = complaint.partition("WeightsUnpickler error: ")[2].partition("\n")[0] or complaint.partition("\n")[0]
        return InputError(f"{path} is damaged, or no weights file ({reason}){_suspicion(path)}")
    culprit = next(filter(None, named.groups()))
    remedy = "torch.save(model.state_dict(), 'weights.pth')"
    if culprit.startswith(NETWORK_MODULES):
        return InputError(
            f"{path} holds a whole pickled network ({culprit}), which only its code could bring to life, and drkit runs"
            f" no code of a file: load it where that code is and you trust it, and save its tensors with {remedy}"
        )
    return InputError(
        f"{path} asks to call {culprit}, and drkit runs no code of a file: nothing was executed. Weights are tensors"
        f" alone; if you trust where it comes from, load it there and save its tensors with {remedy}"
    )


def _suspicion(path: Path) -> str:
    """What a file that is no weights file looks like, and what to do."""
    start = _start(path).lstrip()
    if not start:
        return ": it is empty, download it again"
    for beginning, what in LOOKS_LIKE.items():
        if start.startswith(beginning):
            return f": it is {what}"
    return f": {EXPECTED}"


def _collect(value: Any, where: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The groups of named tensors in nested dictionaries and lists."""
    if not isinstance(value, CONTAINERS):
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    named = [(str(name), item) for name, item in items]
    tensors = {name: item.detach() for name, item in named if isinstance(item, Tensor)}
    if tensors and isinstance(value, Mapping):
        yield ".".join(where), tensors
    for name, item in named:
        if not name.startswith("optim"):
            yield from _collect(item, (*where, name))
