"""Registries: drkit's own entries, and those that installed packages add through entry points."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from drkit.errors import DrkitError, InputError, UsageError
from drkit.progress import warn

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """drkit's own entries by name, and those of installed packages.

    The names that packages add are read from their metadata when a name is first looked up. The code of a package is
    imported only when one of its entries is looked up.

    Args:
        kind: The word for an entry in messages, such as "filter".
        group: The entry-point group, such as `drkit.filters`.
        entry_type: A dataclass with a field `package`, of which an entry point has to name an instance.
        own: drkit's own entries.
        last: More of drkit's own entries, listed after those of packages.

    Raises:
        KeyError: on looking up an unknown name.
        UsageError: on looking up a name that two packages, or a package and drkit, both define, or an entry that cannot
            be imported.
    """

    def __init__(
        self, kind: str, group: str, entry_type: type[T], own: Mapping[str, T], last: Mapping[str, T] | None = None
    ) -> None:
        self.kind, self.group, self.entry_type = kind, group, entry_type
        self.own: Mapping[str, T] = {**own, **(last or {})}
        self._last = frozenset(last or {})
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self.own if name not in self._last)
        yield from (name for name in sorted(self._points) if name not in self.own)
        yield from self._last

    def __len__(self) -> int:
        return len(self.own.keys() | self._points.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._points

    def added(self) -> Iterator[tuple[str, str, T | DrkitError]]:
        """The name, the package, and the entry or the error of each entry that a package adds."""
        for name, points in sorted(self._points.items()):
            entry: T | DrkitError
            try:
                entry = self[name]
            except DrkitError as error:
                entry = error
            yield name, " and ".join(map(_package, points)), entry

    def packages(self, names: Iterable[str]) -> dict[str, str]:
        """The packages of those entries that are not drkit's own, for a record: `{"filter red-free": "lab 1.0"}`."""
        entries: dict[str, Any] = {name: self[name] for name in names if name in self._points}
        return {f"{self.kind} {name}": entry.package for name, entry in entries.items()}

    def check_packages(self, recorded: Mapping[str, str], names: Iterable[str], source: object) -> None:
        """Check that the packages are installed that a record was made with; warn of other versions.

        Args:
            recorded: The result of `packages` in the record.
            names: Names of the entries that are needed.
            source: File of the record, for messages.

        Raises:
            InputError: an entry is missing.
            UsageError: an entry cannot be imported.
        """
        for name in names:
            package = recorded.get(f"{self.kind} {name}")
            if package and name not in self:
                raise InputError(
                    f"{source} needs the {self.kind} {name} of {package}, which is not installed: pip install"
                    f" {package.replace(' ', '==')}"
                )
            entry: Any = self[name] if package else None
            if package and entry.package != package:
                present = entry.package or "drkit's own"
                warn(f"{source} was made with the {self.kind} {name} of {package}, but {present} is installed")

    @cached_property
    def _points(self) -> Mapping[str, tuple["EntryPoint", ...]]:
        points: dict[str, tuple[EntryPoint, ...]] = {}
        for point in _all_entry_points().select(group=self.group):
            points[point.name] = (*points.get(point.name, ()), point)
        return points

    def _load(self, name: str) -> T:
        points = self._points.get(name, ())
        owners = ["drkit"] * (name in self.own) + sorted(map(_package, points))
        if len(owners) > 1:
            raise UsageError(
                f"the {self.kind} {name} is defined by {' and by '.join(owners)}: uninstall one of the packages, or"
                " rename its entry point"
            )
        if not points:
            return self.own[name]
        entry: Any = load_from(f"the {self.kind} {name} of {owners[0]}", points[0].load)
        if not isinstance(entry, self.entry_type):
            expected = f"{self.entry_type.__module__}.{self.entry_type.__qualname__}"
            raise UsageError(
                f"the {self.kind} {name} of {owners[0]} cannot be used: {points[0].value} is a"
                f" {type(entry).__qualname__}, expected a {expected}"
            )
        adopted: T = replace(entry, package=owners[0])  # type: ignore[type-var]
        return adopted


def load_from(title: str, load: Callable[[], Any]) -> Any:
    """Import an entry of a package.

    Args:
        title: The entry and its package, for the message.
        load: Imports the entry.

    Raises:
        UsageError: the import fails, for whatever reason.
    """
    try:
        return load()
    except Exception as error:  # a package may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{title} cannot be imported ({reason}): repair the package, or uninstall it") from error


@cache
def _all_entry_points() -> Any:
    from importlib.metadata import entry_points  # takes a tenth of the time of drkit --help, which needs none

    return entry_points()


def _package(point: "EntryPoint") -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "a package without metadata"
