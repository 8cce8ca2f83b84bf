"""Which file is meant: one that is named, the backbone's in a folder, or a run's checkpoint."""

import re
from pathlib import Path

import timm

from drkit.catalogue import SHORT_BACKBONES
from drkit.errors import InputError, first_few
from drkit.models.weights.reading import SUFFIXES
from drkit.records.runs import Run, find_run, read_run_record

EXPECTED = f"a file ({', '.join(SUFFIXES)}), a folder of them, or a run"


def find_weights(path: Path, architecture: str) -> Path:
    """The file of weights that a path stands for.

    Args:
        path: A file; a folder (or one with such a folder in it) from which the backbone's file is taken, by timm's name
            or the course's; the stem or any file of a run.
        architecture: timm's name of the backbone, without a tag.

    Raises:
        InputError: no such file; none or several of the backbone's in a folder; a run of several folds or an unfinished
            one.
    """
    if path.is_dir():
        return _pick(path, architecture)
    if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.endswith(".resume.pt"):
        return path
    run = Run.of(path)
    if run.record.is_file() or run.unfinished():
        return _checkpoint_of(find_run(path), path)
    if path.is_file():
        raise InputError(f"{path} is no weights file: {EXPECTED} is expected")
    raise InputError(f"{path} does not exist: {EXPECTED} is expected{_beside(path)}")


def run_of(path: Path) -> Run | None:
    """The run that a checkpoint belongs to, where its JSON still lies beside it."""
    run = Run.of(path)
    return run if run.record.is_file() else None


def _checkpoint_of(run: Run, typed: Path) -> Path:
    folds = read_run_record(run)["folds"]
    if folds:
        files = [run.checkpoint(fold) for fold in range(folds)]
        raise InputError(f"{typed} is a run of {folds} folds: as weights, name one of them: {first_few(files, 10)}")
    if not run.checkpoint().is_file():
        raise InputError(f"{run.checkpoint()} does not exist, though {run.record} names it: restore it, or train again")
    return run.checkpoint()


def _beside(path: Path) -> str:
    """The names that lie where a missing file was looked for."""
    folder = path.parent
    there = sorted(file.name for file in folder.iterdir() if _is_weights(file)) if folder.is_dir() else []
    return f"; in {folder} there is {first_few(there, 8)}" if there else ""


def _pick(folder: Path, architecture: str) -> Path:
    """The backbone's file in a folder or one level below: by its bare name, else by the name in its name."""
    files = sorted(file for pattern in ("*", "*/*", "*/*/*") for file in folder.glob(pattern) if _is_weights(file))
    if not files:
        raise InputError(f"{folder} holds no weights: {', '.join(SUFFIXES)} are expected in it or in a folder of it")
    names = {architecture, *(short for short, full in SHORT_BACKBONES.items() if full == architecture)}
    known = [_plain(name) for name in (*SHORT_BACKBONES, *timm.list_models())]
    fitting = [file for file in files if _longest_name(file, known) in set(map(_plain, names))]
    exact = [file for file in fitting if _plain(file.stem) in set(map(_plain, names))]
    if len(exact) == 1 or len(fitting) == 1:
        return (exact if len(exact) == 1 else fitting)[0]
    there = first_few([file.relative_to(folder).as_posix() for file in fitting or files], 12)
    if not fitting:
        raise InputError(f"{folder} holds no weights of {architecture}: there is {there}; name the file itself")
    raise InputError(f"{folder} holds several weights of {architecture}: {there}; name one of them")


def _is_weights(file: Path) -> bool:
    hidden = file.name.startswith(".")  # a Mac's archives hold a second, hidden resnet18.pth that is none
    is_state = file.name.endswith(".resume.pt")
    return file.suffix.lower() in SUFFIXES and not hidden and not is_state and file.is_file()


def _longest_name(file: Path, known: list[str]) -> str:
    """The longest of the known names in a file's name: `vgg16_bn-6c64b313.pth` is no vgg16."""
    stem = f"_{_plain(file.stem)}_"
    return max((name for name in known if f"_{name}_" in stem), key=len, default="")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
