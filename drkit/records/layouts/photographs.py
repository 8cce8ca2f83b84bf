"""Search for the photographs of a data set in its folder."""

import os
import posixpath
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from drkit.errors import InputError, first_few
from drkit.grades import Split
from drkit.records.filenames import check_spelling
from drkit.records.labels import PHOTOGRAPH_SUFFIXES, image_stem
from drkit.records.layouts.layout import Layout
from drkit.records.layouts.names import holds_masks, split_of_name
from drkit.records.layouts.skipped import COMPANIONS, describe_unread
from drkit.records.layouts.tables import RawTable


class PhotographFolder:
    """The files of a data set's folder.

    Each folder is listed once, and the whole tree is searched only for a photograph that is not found otherwise.

    Args:
        root: The folder (absolute). Nothing outside it is found; symbolic links inside it are followed.
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._roots = tuple(name.rstrip(os.sep) + os.sep for name in (self.root, os.path.realpath(root)))
        self._listings: dict[str, dict[str, list[str]]] = {}
        self._tree: dict[str, list[str]] | None = None
        self._other_files: list[str] = []
        self._unread: dict[str, str] | None = None

    def find(self, written: str, folders: Sequence[str], split: Split, where: str) -> str | None:
        """Find the absolute path of a photograph, or None.

        Args:
            written: A path or an id, as the table spells it. The exact name is preferred, but case and the
                photographic suffix may differ.
            folders: Absolute folders that the path may be relative to; the first is the table's own.
            split: Split of the photograph, which decides between several files of the same name.
            where: File and row, for messages.

        Raises:
            InputError: the path lies outside the data set, or several files match.
        """
        spelled = self._check_inside(written, folders[0], where)
        for folder in (*folders, self.root):
            candidate = os.path.normpath(f"{folder}/{spelled}")
            if (candidate + os.sep).startswith(self._roots) and (path := self._find_in_folder(candidate, where)):
                return path
        return self._find_in_tree(spelled, split, where)

    def photographs(self) -> list[Path]:
        """Every photograph below the root, sorted; hidden files and folders, and folders of masks, are skipped.

        Raises:
            InputError: names that are not UTF-8.
        """
        paths = sorted(path for path in self._images() if not self._is_mask(path))
        check_spelling([os.path.relpath(path, self.root) for path in paths])
        return [Path(path) for path in paths]

    def masks(self) -> list[str]:
        """Every image below the root that lies in a folder of masks, sorted."""
        return sorted(filter(self._is_mask, self._images()))

    def other_files(self) -> list[str]:
        """Every file below the root without the suffix of a photograph, except hidden ones, folder by folder."""
        self._read_tree()
        return self._other_files

    def find_unread(self, written: str) -> str | None:
        """Find the file that a table may mean by a name, but that does not have the suffix of a photograph."""
        if self._unread is None:
            self._unread = {}
            for path in self.other_files():
                if Path(path).suffix.lower() not in COMPANIONS:
                    self._unread.setdefault(Path(path).name.casefold(), path)
                    self._unread.setdefault(Path(path).stem.casefold(), path)
        return self._unread.get(posixpath.basename(written.replace("\\", "/")).casefold())

    def _check_inside(self, written: str, folder: str, where: str) -> str:
        """Return the path with slashes, relative to the root if it is absolute."""
        spelled = written.replace("\\", "/")
        target = os.path.normpath(posixpath.join(folder, spelled))
        root = next((root for root in self._roots if f"{target}{os.sep}".startswith(root)), None)
        if root is None or re.match(r"[A-Za-z]:", spelled):
            raise InputError(
                f"{where}: '{written}' lies outside the data set's folder {self.root}: write paths relative to it"
            )
        return os.path.relpath(target, root) if posixpath.isabs(spelled) else spelled

    def _find_in_folder(self, candidate: str, where: str) -> str | None:
        folder, name = os.path.split(candidate)
        same = [f"{folder}{os.sep}{other}" for other in self._listing(folder).get(_key(name), [])]
        return _single(_narrow(same, *_name_tests(name)), where)

    def _listing(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._listings:
            try:
                names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
            except OSError:
                names = []
            self._listings[folder] = _by_stem(names)
        return self._listings[folder]

    def _find_in_tree(self, spelled: str, split: Split, where: str) -> str | None:
        name = posixpath.basename(spelled)
        in_any_case, *exact = _name_tests(name)
        # The mask of a lesion often has the photograph's name with another suffix.
        same = [
            path for path in self._read_tree().get(_key(spelled), []) if in_any_case(path) or not self._is_mask(path)
        ]
        tests = (in_any_case, lambda path: not self._is_mask(path), lambda path: split in self._splits_above(path))
        return _single(_narrow(same, *tests, *exact), where)

    def _images(self) -> list[str]:
        return [path for paths in self._read_tree().values() for path in paths]

    def _is_mask(self, path: str) -> bool:
        return any(map(holds_masks, Path(os.path.relpath(path, self.root)).parts[:-1]))

    def _splits_above(self, path: str) -> set[Split | None]:
        return {split_of_name(part) for part in Path(os.path.relpath(path, self.root)).parts[:-1]}

    def _read_tree(self) -> dict[str, list[str]]:
        """Read the paths of all files with the suffix of a photograph, by `_key`."""
        if self._tree is None:
            self._tree = {}
            for folder, names in _walk(self.root):
                photographs = _by_stem(names)
                for stem, same in photographs.items():
                    self._tree.setdefault(stem, []).extend(f"{folder}{os.sep}{name}" for name in same)
                read = {name for same in photographs.values() for name in same}
                self._other_files += [
                    f"{folder}{os.sep}{name}" for name in sorted(names) if name not in read and name[0] != "."
                ]
        return self._tree


def locate(folder: PhotographFolder, layout: Layout, tables: Sequence[tuple[RawTable, pd.DataFrame]]) -> list[str]:
    """Find the absolute path of every row's photograph, in the order of the tables.

    Raises:
        InputError: photographs are missing (the message has their number and the first five), ambiguous, outside the
            folder, or in a folder whose name is not UTF-8.
    """
    paths: list[str] = []
    missing: list[str] = []
    for table, rows in tables:
        near: dict[Split, list[str]] = {}
        for index, written, split in zip(rows.index, rows["path"], rows["split"], strict=True):
            if split not in near:
                near[split] = folders_near(layout, table, split)
            path = folder.find(written, near[split], split, table.where(index))
            paths.append(path or "")
            missing += [] if path else [f"{describe_missing(folder, written)} ({table.where(index)})"]
    check_spelling([os.path.relpath(path, folder.root) for path in paths if path])
    if missing:
        raise InputError(
            f"{folder.root}: {len(missing)} of {len(paths)} photographs are missing: {first_few(missing)}:"
            " copy them there, or remove their rows from the table"
        )
    return paths


def folders_near(layout: Layout, table: RawTable, split: Split) -> list[str]:
    """Absolute folders in which a table's photographs of a split may lie; the table's own is first."""
    own = str(table.path.parent)
    return [own, *(os.path.normpath(Path(own, near)) for near in layout.folders(table, split))]


def describe_missing(folder: PhotographFolder, written: str) -> str:
    """Describe a photograph that was not found by its name, or by a file of its name that cannot be read."""
    unread = folder.find_unread(written)
    return describe_unread(unread) if unread else written


def _by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    stems: dict[str, list[str]] = {}
    for name in sorted(names):
        if name.lower().endswith(PHOTOGRAPH_SUFFIXES) and not name.startswith("."):
            stems.setdefault(_key(name), []).append(name)
    return stems


def _key(name: str) -> str:
    return image_stem(name).casefold()


def _name_tests(name: str) -> tuple[Callable[[str], bool], ...]:
    """Tests of a path: whether its name is `name` in any case, exactly, or except for the suffix."""
    return (
        lambda path: Path(path).name.casefold() == name.casefold(),
        lambda path: Path(path).name == name,
        lambda path: image_stem(path) == image_stem(name),
    )


def _narrow(paths: Sequence[str], *tests: Callable[[str], bool]) -> list[str]:
    """Apply each test in turn, except those that no remaining path passes."""
    remaining = list(paths)
    for test in tests:
        remaining = [path for path in remaining if test(path)] or remaining
    return remaining


def _single(paths: Sequence[str], where: str) -> str | None:
    if len(paths) > 1:
        raise InputError(f"{where}: several photographs match: {first_few(paths)}: keep one, or give its path")
    return paths[0] if paths else None


def _walk(root: str) -> list[tuple[str, list[str]]]:
    """Folders with their files, except hidden ones; links are followed, but no folder is entered twice."""
    seen: set[str] = set()
    walked = []
    for folder, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        walked.append((folder, [name for name in names if Path(folder, name).is_file()]))
    return walked
