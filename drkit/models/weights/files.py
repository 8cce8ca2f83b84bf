"""Files of weights: which one is meant, and the tensors in it; nothing that a file asks to run is run."""

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

INDEX_SUFFIX = ".safetensors.index.json"  # as Hugging Face's libraries write it
SHARD = re.compile(r"-\d+-of-(?!0*1\.)\d+\.safetensors", re.IGNORECASE)  # and not one of one
SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", INDEX_SUFFIX, ".pth.tar", ".pkl")  # where none is named
EXPECTED = f"a file ({', '.join(SUFFIXES)}), a folder of them, hf-hub:OWNER/NAME, or a run"
BARE_NAMES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")  # a repository's own weights
OF_A_TRAINER = ("training_args", "optimizer", "scheduler", "scaler", "rng_state")  # beside weights, and none
NO_WEIGHTS = "what torch.save(model.state_dict(), ...) or safetensors write was expected"
CONTAINERS = (Mapping, list, tuple)
MOST_CONTAINERS = 2**17  # in a file of weights, whatever a training keeps beside them
NETWORK_MODULES = ("torch.nn.", "torchvision.", "timm.", "__main__.", "efficientnet_pytorch.", "pretrainedmodels.")

# How torch's restricted reader names what it will not call or build.
CULPRIT = re.compile(r"GLOBAL ([\w.]+)|function ([\w.]+)|<class '([\w.]+)'>")


class _IgnoredObject:
    """Stands for a harmless object that is no tensor, such as a kappa in NumPy's type; it does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


# What trainings like to keep beside tensors. Not these but `_IgnoredObject` is called for them.
SWALLOWED = (
    "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib._local.PosixPath",
)  # fmt: skip
HARMLESS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((_IgnoredObject, name) for name in SWALLOWED),
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


def find_weights(path: Path, architecture: str) -> Path:
    """The file of weights that a path stands for.

    Args:
        path: A file; a folder (or one with such a folder in it) from which the backbone's file is taken, by timm's name
            or the course's; the stem or any file of a run; the name of a run that comes with drkit.
        architecture: timm's name of the backbone, without a tag.

    Raises:
        InputError: no such file; none or several of the backbone's in a folder; a run of several networks or an
            unfinished one.
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
    if path.is_file():  # whatever it is called
        return path
    if (own := Run(Path("runs") / path)).record.is_file():
        raise InputError(f"{path} is not a path: write {own.stem} to start from that run")
    raise InputError(f"{path} does not exist: {EXPECTED} is expected{_beside(path)}")


def run_of(path: Path) -> Run | None:
    """The run that a checkpoint belongs to, where its JSON still lies beside it."""
    run = Run.of(path)
    return run if run.record.is_file() else None


def _checkpoint_of(run: Run, typed: Path) -> Path:
    networks = networks_in(read_run_record(run))
    if len(networks) > 1:
        files = [run.checkpoint(network) for network in networks]
        raise InputError(
            f"{typed} is a run of {len(networks)} networks: as weights, name one of them: {first_few(files, 10)}"
        )
    if not run.checkpoint().is_file():
        raise InputError(f"{run.checkpoint()} does not exist, though {run.record} names it: restore it, or train again")
    return run.checkpoint()


def _beside(path: Path) -> str:
    """The names that lie where a missing file was looked for."""
    folder = path.parent
    there = sorted(file.name for file in folder.iterdir() if _is_weights(file)) if folder.is_dir() else []
    return f"; in {folder} there is {first_few(there, 8)}" if there else ""


def find_in_repository(repository: Repository, file: str, architecture: str) -> str:
    """The file of weights in a repository: the one that is named, timm's own, the only one, or the backbone's.

    Args:
        repository: Of the hub, or a folder of that make.
        file: As it was named; empty: it was not.
        architecture: timm's name of the backbone, without a tag.

    Raises:
        InputError: no such file, no weights, or several that fit.
    """
    if not file:
        at_hand = next((name for name in BARE_NAMES if repository.cached(name)), None)
        return at_hand or _pick_in_repository(repository, architecture)
    if not repository.cached(file) and file not in (files := repository.files()):
        weights = [name for name in files if _is_named_as_weights(PurePosixPath(name))]
        raise MissingFileError(f"{repository} has no file '{file}': there is {first_few(weights or files, 8)}")
    return file


def fetch_from_repository(repository: Repository, file: str) -> Path:
    """Where a file of weights lies on this machine, fetched if need be; of an index, with its shards beside it.

    Raises:
        InputError: the repository lacks one of them, or cannot be reached.
    """
    path = repository.fetch(file)
    for shard in read_index(path) if is_index(path) else ():
        repository.fetch(PurePosixPath(file).with_name(shard).as_posix())
    return path


def _pick_in_repository(repository: Repository, architecture: str) -> str:
    files = [PurePosixPath(name) for name in repository.files()]
    weights = [file for file in files if _is_named_as_weights(file) and not file.name.startswith(OF_A_TRAINER)]
    if not weights:
        there = first_few(files, 8)
        raise InputError(f"{repository} holds no weights, {', '.join(SUFFIXES)} are expected: there is {there}")
    timms = next((name for name in BARE_NAMES if PurePosixPath(name) in weights), None)
    if timms or len(weights) == 1:
        return timms or weights[0].as_posix()
    advice = f"name one as {repository.address('FILE')}"
    return _pick(weights, str(repository), timm_name(architecture), advice).as_posix()


def _pick_in_folder(folder: Path, architecture: str) -> Path:
    """The backbone's file in a folder or up to two levels below."""
    files = sorted(file for pattern in ("*", "*/*", "*/*/*") for file in folder.glob(pattern) if _is_weights(file))
    if not files:
        raise InputError(f"{folder} holds no weights: {', '.join(SUFFIXES)} are expected in it or in a folder of it")
    names = [file.relative_to(folder) for file in files]
    if len(names) == 1 and names[0].name in BARE_NAMES:
        return files[0]
    return folder / _pick(names, str(folder), architecture, "name one of them")


def _pick(files: Sequence[File], where: str, architecture: str, advice: str) -> File:
    """The backbone's file among several: by its bare name, else by the name in its name."""
    names = {architecture, *(short for short, full in SHORT_BACKBONES.items() if full == architecture)}
    known = [_plain(name) for name in (*SHORT_BACKBONES, *timm.list_models())]
    fitting = [file for file in files if _longest_name(file, known) in set(map(_plain, names))]
    exact = [file for file in fitting if _plain(file.stem) in set(map(_plain, names))]
    if len(exact) == 1 or len(fitting) == 1:
        return (exact if len(exact) == 1 else fitting)[0]
    there = first_few([file.as_posix() for file in fitting or files], 12)
    if not fitting:
        raise InputError(f"{where} holds no weights of {architecture}: there is {there}; {advice}")
    raise InputError(f"{where} holds several weights of {architecture}: {there}; {advice}")


def _is_weights(file: Path) -> bool:
    return _is_named_as_weights(file) and file.is_file()


def _is_named_as_weights(file: PurePath) -> bool:
    hidden = file.name.startswith(".")  # a Mac's archives hold a second, hidden resnet18.pth that is none
    is_state = file.name.endswith(".resume.pt")
    return file.name.lower().endswith(SUFFIXES) and not (hidden or is_state or is_shard(file))


def _longest_name(file: PurePath, known: list[str]) -> str:
    """The longest of the known names in a file's name: `vgg16_bn-6c64b313.pth` is no vgg16."""
    stem = f"_{_plain(file.stem)}_"
    return max((name for name in known if f"_{name}_" in stem), key=len, default="")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


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
    try:
        groups = dict(_collect(content, (), iter(range(MOST_CONTAINERS))))
    except RecursionError:
        raise InputError(f"{path} is nested without end: {NO_WEIGHTS}") from None
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
    return f": {NO_WEIGHTS}"


def _collect(value: Any, where: tuple[str, ...], budget: Iterator[int]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The groups of named tensors in nested dictionaries and lists.

    Raises:
        RecursionError: more of these than `budget`, as a few lists that hold each other make them.
    """
    if not isinstance(value, CONTAINERS):
        return
    if next(budget, None) is None:
        raise RecursionError
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    named = [(str(name), item) for name, item in items]
    tensors = {name: item.detach() for name, item in named if isinstance(item, Tensor)}
    if tensors and isinstance(value, Mapping):
        yield ".".join(where), tensors
    for name, item in named:
        if not name.startswith("optim"):
            yield from _collect(item, (*where, name), budget)


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
