"""Find and read files of weights, without executing any code in them."""

import json
import pickle
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeVar

import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from drkit.catalogue import SHORT_BACKBONES
from drkit.errors import InputError, first_few
from drkit.models.networks import timm_name
from drkit.models.weights.repository import MissingFileError, Repository
from drkit.records.filenames import check_spelling
from drkit.records.provenance import sha256_bytes, sha256_file
from drkit.records.runs import Run, find_run, names_packaged_run, networks_in, read_run_record

File = TypeVar("File", bound=PurePath)

INDEX_SUFFIX = ".safetensors.index.json"  # written by Hugging Face's libraries
SHARD = re.compile(r"-\d+-of-(?!0*1\.)\d+\.safetensors", re.IGNORECASE)  # a single shard is a complete file
SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", INDEX_SUFFIX, ".pth.tar", ".pkl")  # searched in folders
EXPECTED = f"a file ({', '.join(SUFFIXES)}), a folder of them, hf-hub:OWNER/NAME, or a run"
STANDARD_NAMES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")  # of a repository's weights
TRAINER_FILES = ("training_args", "optimizer", "scheduler", "scaler", "rng_state")  # files that are not weights
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


def find_weights(path: Path, architecture: str) -> Path:
    """Find the file of weights that a path refers to.

    Args:
        path: A file; a folder with a file whose name contains timm's or the course's name of the backbone, possibly in
            subfolders; the stem or any file of a run; or the name of a run that is part of drkit.
        architecture: timm's name of the backbone, without a tag.

    Raises:
        InputError: the file does not exist; a folder contains no file or several files of the backbone; or a run has
            several networks or is unfinished.
    """
    if names_packaged_run(path):
        return _checkpoint_of(find_run(path), path)
    if path.is_dir():
        return _pick_in_folder(path, timm_name(architecture))
    if path.is_file() and _is_weights(path):
        return path
    run = Run.of(path)
    if run.record.is_file() or run.unfinished():
        return _checkpoint_of(find_run(path), path)
    if path.is_file():
        return path
    if (run := Run(Path("runs") / path)).record.is_file():
        raise InputError(f"{path} is not a path: write {run.stem} to start from that run")
    folder = path.parent
    nearby = sorted(file.name for file in folder.iterdir() if _is_weights(file)) if folder.is_dir() else []
    hint = f"; {folder} contains {first_few(nearby, 8)}" if nearby else ""
    raise InputError(f"{path} does not exist: expected {EXPECTED}{hint}")


def run_of(path: Path) -> Run | None:
    """The run that a checkpoint belongs to; None if its JSON is not beside it."""
    run = Run.of(path)
    return run if run.record.is_file() else None


def _checkpoint_of(run: Run, path: Path) -> Path:
    networks = networks_in(read_run_record(run))
    if len(networks) > 1:
        files = [run.checkpoint(network) for network in networks]
        raise InputError(
            f"{path} is a run of {len(networks)} networks: to start from its weights, name one of the files"
            f" {first_few(files, 10)}"
        )
    if not run.checkpoint().is_file():
        raise InputError(f"{run.checkpoint()}, a file of {run.record}, does not exist: restore it, or train again")
    return run.checkpoint()


def find_in_repository(repository: Repository, file: str, architecture: str) -> str:
    """Find the file of weights in a repository: the named, standard or only file, or that of the backbone.

    Args:
        repository: A repository on the hub or in a folder.
        file: Name of the file; empty if none was named.
        architecture: timm's name of the backbone, without a tag.

    Raises:
        InputError: the repository does not contain the file, contains no weights, or contains several suitable files.
    """
    if not file:
        cached = next((name for name in STANDARD_NAMES if repository.cached(name)), None)
        return cached or _pick_in_repository(repository, architecture)
    if not repository.cached(file) and file not in (files := repository.files()):
        weights = [name for name in files if _is_named_as_weights(PurePosixPath(name))]
        raise MissingFileError(f"{repository} has no file '{file}': it contains {first_few(weights or files, 8)}")
    return file


def fetch_from_repository(repository: Repository, file: str) -> Path:
    """Fetch a file of weights unless it is on this machine; for an index, also fetch its shards.

    Returns:
        Path of the file; shards are in the same folder.

    Raises:
        InputError: the repository does not contain a file, or cannot be reached.
    """
    path = repository.fetch(file)
    for shard in read_index(path) if is_index(path) else ():
        repository.fetch(PurePosixPath(file).with_name(shard).as_posix())
    return path


def _pick_in_repository(repository: Repository, architecture: str) -> str:
    files = [PurePosixPath(name) for name in repository.files()]
    weights = [file for file in files if _is_named_as_weights(file) and not file.name.startswith(TRAINER_FILES)]
    if not weights:
        raise InputError(f"{repository} contains no weights ({', '.join(SUFFIXES)}): it contains {first_few(files, 8)}")
    standard = next((name for name in STANDARD_NAMES if PurePosixPath(name) in weights), None)
    if standard or len(weights) == 1:
        return standard or weights[0].as_posix()
    advice = f"name one as {repository.address('FILE')}"
    return _pick(weights, str(repository), timm_name(architecture), advice).as_posix()


def _pick_in_folder(folder: Path, architecture: str) -> Path:
    """Find the backbone's file in a folder or up to two levels below it."""
    files = sorted(file for pattern in ("*", "*/*", "*/*/*") for file in folder.glob(pattern) if _is_weights(file))
    if not files:
        raise InputError(f"{folder} and its subfolders contain no weights: expected {', '.join(SUFFIXES)}")
    names = [file.relative_to(folder) for file in files]
    if len(names) == 1 and names[0].name in STANDARD_NAMES:
        return files[0]
    return folder / _pick(names, str(folder), architecture, "name one of them")


def _pick(files: Sequence[File], source: str, architecture: str, advice: str) -> File:
    """Pick the file that is named after the backbone, or else the file whose name contains the backbone's name.

    Of all backbones whose name is part of a file's name, the longest counts: `vgg16_bn-6c64b313.pth` is not a vgg16.
    """
    names = {architecture, *(short for short, full in SHORT_BACKBONES.items() if full == architecture)}
    plain_names = set(map(_plain, names))
    all_names = [_plain(name) for name in (*SHORT_BACKBONES, *timm.list_models())]
    backbone_of = {
        file: max((name for name in all_names if f"_{name}_" in f"_{_plain(file.stem)}_"), key=len, default="")
        for file in files
    }
    matches = [file for file in files if backbone_of[file] in plain_names]
    exact = [file for file in matches if _plain(file.stem) in plain_names]
    if len(exact) == 1 or len(matches) == 1:
        return (exact if len(exact) == 1 else matches)[0]
    listed = first_few([file.as_posix() for file in matches or files], 12)
    if not matches:
        raise InputError(f"{source} contains no weights of {architecture}: it contains {listed}; {advice}")
    raise InputError(f"{source} contains several weights of {architecture}: {listed}; {advice}")


def _is_weights(file: Path) -> bool:
    return _is_named_as_weights(file) and file.is_file()


def _is_named_as_weights(file: PurePath) -> bool:
    is_hidden = file.name.startswith(".")  # archives from a Mac contain a hidden file for each file
    is_state = file.name.endswith(".resume.pt")
    return file.name.lower().endswith(SUFFIXES) and not (is_hidden or is_state or is_shard(file))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


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
    """What a file that is not a file of weights seems to contain, and what to do."""
    start = _start(path).lstrip()
    if not start:
        return "it is empty: download it again"
    for beginning, description in OTHER_FORMATS.items():
        if start.startswith(beginning):
            return f"it is {description}"
    return EXPECTED_CONTENT


def _collect(value: Any, keys: tuple[str, ...], budget: Iterator[int]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The groups of named tensors in nested dictionaries and lists.

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
