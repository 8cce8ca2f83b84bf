"""Find a file of weights in a folder, a repository or a run."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

import timm

from drkit.catalogue import SHORT_BACKBONES
from drkit.errors import InputError, first_few
from drkit.models.networks import timm_name
from drkit.models.weights.files import INDEX_SUFFIX, is_index, is_shard, read_index
from drkit.models.weights.repository import MissingFileError, Repository
from drkit.records.runs import Run, find_run, names_packaged_run, networks_in, read_run_record

File = TypeVar("File", bound=PurePath)

SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", INDEX_SUFFIX, ".pth.tar", ".pkl")  # searched in folders
EXPECTED = f"a file ({', '.join(SUFFIXES)}), a folder of them, hf-hub:OWNER/NAME, or a run"
STANDARD_NAMES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")  # of a repository's weights
TRAINER_FILES = ("training_args", "optimizer", "scheduler", "scaler", "rng_state")  # files that are not weights


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
