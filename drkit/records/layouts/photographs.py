"""Where a data set's photographs lie."""

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
    """A data set's folder; each of its listings is read once, the whole tree only when a photograph needs it.

    Args:
        root: The folder, absolute. Nothing outside it is found; symbolic links inside it are followed.
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._roots = tuple(name.rstrip(os.sep) + os.sep for name in (self.root, os.path.realpath(root)))
        self._listings: dict[str, dict[str, list[str]]] = {}
        self._tree: dict[str, list[str]] | None = None
        self._others: list[str] = []
        self._unread: dict[str, str] | None = None

    def find(self, written: str, folders: Sequence[str], split: Split, where: str) -> str | None:
        """The absolute path of a photograph, or None.

        Args:
            written: How the table spells it: a path or a bare id; any photographic suffix and either case will do, the
                very name goes first.
            folders: Absolute folders it may be relative to; the first is the table's own.
            split: Decides between several of the same name.
            where: File and row, for messages.

        Raises:
            InputError: it lies outside the data set, or several fit.
        """
        spelled = self._inside(written, folders[0], where)
        for folder in (*folders, self.root):
            candidate = os.path.normpath(f"{folder}/{spelled}")
            if self._holds(candidate) and (found := self._beside(candidate, where)):
                return found
        return self._anywhere(spelled, split, where)

    def photographs(self) -> list[Path]:
        """Every photograph below the root, sorted; hidden files and folders, and folders of masks, are skipped.

        Raises:
            InputError: names that are not UTF-8.
        """
        found = sorted(path for path in self._pictures() if not self._is_mask(path))
        check_spelling([os.path.relpath(path, self.root) for path in found])
        return [Path(path) for path in found]

    def masks(self) -> list[str]:
        """Every picture below the root that lies in a folder of masks, sorted."""
        return sorted(filter(self._is_mask, self._pictures()))

    def others(self) -> list[str]:
        """Every other file below the root, hidden ones skipped, in the order of the folders."""
        self._all()
        return self._others

    def find_unread(self, written: str) -> str | None:
        """A file that a table may mean by a name, but that is no photograph by its suffix."""
        if self._unread is None:
            self._unread = {}
            for path in self.others():
                if Path(path).suffix.lower() not in COMPANIONS:
                    self._unread.setdefault(Path(path).name.casefold(), path)
                    self._unread.setdefault(Path(path).stem.casefold(), path)
        return self._unread.get(posixpath.basename(written.replace("\\", "/")).casefold())

    def _inside(self, written: str, folder: str, where: str) -> str:
        spelled = written.replace("\\", "/")
        target = os.path.normpath(posixpath.join(folder, spelled))
        root = next((root for root in self._roots if f"{target}{os.sep}".startswith(root)), None)
        if root is None or re.match(r"[A-Za-z]:", spelled):
            raise InputError(
                f"{where}: '{written}' lies outside the data set's folder {self.root}: write paths relative to it"
            )
        return os.path.relpath(target, root) if posixpath.isabs(spelled) else spelled

    def _holds(self, path: str) -> bool:
        return (path + os.sep).startswith(self._roots)

    def _beside(self, candidate: str, where: str) -> str | None:
        folder, name = os.path.split(candidate)
        same = [f"{folder}{os.sep}{other}" for other in self._listing(folder).get(_key(name), [])]
        return _only(_narrow(same, *_likeness(name)), where)

    def _listing(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._listings:
            try:
                names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
            except OSError:
                names = []
            self._listings[folder] = _by_stem(names)
        return self._listings[folder]

    def _anywhere(self, spelled: str, split: Split, where: str) -> str | None:
        name = posixpath.basename(spelled)
        in_any_case, *as_spelled = _likeness(name)
        same = [path for path in self._all().get(_key(spelled), []) if in_any_case(path) or not self._is_mask(path)]
        tests = (in_any_case, lambda path: not self._is_mask(path), lambda path: split in self._splits_above(path))
        return _only(_narrow(same, *tests, *as_spelled), where)

    def _pictures(self) -> list[str]:
        return [path for paths in self._all().values() for path in paths]

    def _is_mask(self, path: str) -> bool:
        """A lesion's mask may be called as the photograph, mostly but for its suffix."""
        return any(map(holds_masks, Path(os.path.relpath(path, self.root)).parts[:-1]))

    def _splits_above(self, path: str) -> set[Split | None]:
        return {split_of_name(part) for part in Path(os.path.relpath(path, self.root)).parts[:-1]}

    def _all(self) -> dict[str, list[str]]:
        if self._tree is None:
            self._tree = {}
            for folder, names in _walk(self.root):
                photographs = _by_stem(names)
                for stem, same in photographs.items():
                    self._tree.setdefault(stem, []).extend(f"{folder}{os.sep}{name}" for name in same)
                read = {name for same in photographs.values() for name in same}
                self._others += [
                    f"{folder}{os.sep}{name}" for name in sorted(names) if name not in read and name[0] != "."
                ]
        return self._tree


def locate(folder: PhotographFolder, layout: Layout, tables: Sequence[tuple[RawTable, pd.DataFrame]]) -> list[str]:
    """The absolute path of every row's photograph, in the order of the tables.

    Raises:
        InputError: photographs that are missing (all counted, five named), ambiguous, outside the folder, or in a
            folder whose name is not UTF-8.
    """
    found: list[str] = []
    missing: list[str] = []
    for table, rows in tables:
        near: dict[Split, list[str]] = {}
        for index, written, split in zip(rows.index, rows["path"], rows["split"], strict=True):
            if split not in near:
                near[split] = folders_near(layout, table, split)
            path = folder.find(written, near[split], split, table.where(index))
            found.append(path or "")
            missing += [] if path else [f"{describe_missing(folder, written)} ({table.where(index)})"]
    check_spelling([os.path.relpath(path, folder.root) for path in found if path])
    _check_found(missing, len(found), folder.root)
    return found


def folders_near(layout: Layout, table: RawTable, split: Split) -> list[str]:
    """Absolute folders that a table's photographs of a split may lie in, the table's own first."""
    own = str(table.path.parent)
    return [own, *(os.path.normpath(Path(own, near)) for near in layout.folders(table, split))]


def describe_missing(folder: PhotographFolder, written: str) -> str:
    """How a message calls a photograph that was not found: a file of another type may be there."""
    unread = folder.find_unread(written)
    return describe_unread(unread) if unread else written


def _check_found(missing: list[str], num_rows: int, root: str) -> None:
    if missing:
        raise InputError(
            f"{root}: {len(missing)} of {num_rows} photographs are missing: {first_few(missing)}:"
            " copy them there, or take their rows out of the CSV"
        )


def _by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    stems: dict[str, list[str]] = {}
    for name in sorted(names):
        if name.lower().endswith(PHOTOGRAPH_SUFFIXES) and not name.startswith("."):
            stems.setdefault(_key(name), []).append(name)
    return stems


def _key(name: str) -> str:
    return image_stem(name).casefold()


def _likeness(name: str) -> tuple[Callable[[str], bool], ...]:
    """Whether a path is called as `name`: with its suffix in any case, exactly, but for the suffix."""
    return (
        lambda path: Path(path).name.casefold() == name.casefold(),
        lambda path: Path(path).name == name,
        lambda path: image_stem(path) == image_stem(name),
    )


def _narrow(paths: Sequence[str], *tests: Callable[[str], bool]) -> list[str]:
    """What is left of `paths` after each test that leaves any."""
    left = list(paths)
    for test in tests:
        left = [path for path in left if test(path)] or left
    return left


def _only(paths: Sequence[str], where: str) -> str | None:
    if len(paths) > 1:
        raise InputError(f"{where}: several photographs fit: {first_few(paths)}: keep one, or write its path")
    return paths[0] if paths else None


def _walk(root: str) -> list[tuple[str, list[str]]]:
    """Folders and their files, hidden ones skipped, links followed but no folder entered twice."""
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
