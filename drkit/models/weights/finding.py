"""Which file is meant: one that is named, the backbone's in a folder or a repository, or a run's checkpoint."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

import timm

from drkit.catalogue import SHORT_BACKBONES
from drkit.errors import InputError, first_few
from drkit.models.networks import timm_name
from drkit.models.weights.reading import SUFFIXES
from drkit.models.weights.repository import MissingFileError, Repository
from drkit.models.weights.sharded import is_index, is_shard, read_index
from drkit.records.runs import Run, find_run, names_packaged_run, networks_in, read_run_record

File = TypeVar("File", bound=PurePath)

EXPECTED = f"a file ({', '.join(SUFFIXES)}), a folder of them, hf-hub:OWNER/NAME, or a run"
BARE_NAMES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")  # a repository's own weights
OF_A_TRAINER = ("training_args", "optimizer", "scheduler", "scaler", "rng_state")  # beside weights, and none


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
