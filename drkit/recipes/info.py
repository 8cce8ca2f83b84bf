"""`drkit info`: versions, devices, memory, caches and local weights of this machine."""

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

import drkit
from drkit.catalogue import ATTENTIONS, FILTERS, LOSSES, METHODS
from drkit.config.info import InfoConfig
from drkit.data.bank import MEMORY_SHARE
from drkit.data.cache import cached_files, clear_cached, default_cache_dir
from drkit.errors import DrkitError
from drkit.machine import allowed_cpus, allowed_memory
from drkit.models.listing import list_backbones
from drkit.plugins import Registry
from drkit.records.layouts import LAYOUTS
from drkit.records.runs import PACKAGED_RUNS, Run
from drkit.reporting import Table

PACKAGE_NAME = re.compile(r"[\w.-]+")
REGISTRIES: tuple[Registry[Any], ...] = (FILTERS, LOSSES, ATTENTIONS, LAYOUTS, METHODS)


@dataclass(frozen=True)
class DeviceInfo:
    """A device that a training can run on.

    Args:
        name: A value of `--device`.
        model: Its model name.
        memory_bytes: Size of its own memory; None if it shares the machine's.
        precisions: Values of `--precision` that it supports.
    """

    name: str
    model: str
    memory_bytes: int | None
    precisions: tuple[str, ...]


@dataclass(frozen=True)
class CacheFolder:
    """A folder in which files are kept between commands.

    Args:
        owner: The program that it belongs to, and what it holds.
        path: Its path, with ~ for the home folder.
        files: Number of files.
        size_bytes: Size of all files together.
    """

    owner: str
    path: str
    files: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class InfoReport:
    """Facts for a bug report.

    Args:
        versions: Versions of drkit, Python, the system and the packages that drkit uses; `not installed` for missing
            packages.
        devices: Devices of this machine, the CPU first.
        memory_bytes: Memory that this process may use: the machine's, or the limit of a container or job.
        bank_bytes: Memory that photographs may use before they go to the cache.
        caches: The cache of drkit, and those of weights.
        weights: Backbones whose ImageNet weights are on this machine, and where: package or cache.
        networks: Trained networks that come with drkit, by the names that `drkit predict` accepts.
        plugins: Kind, name, package, and summary or error of each entry that a package adds to a catalogue.
        removed_bytes: Size of the files that `--clear-cache` deleted; None without that option.
    """

    versions: dict[str, str]
    devices: tuple[DeviceInfo, ...]
    memory_bytes: int
    bank_bytes: int
    caches: tuple[CacheFolder, ...]
    weights: dict[str, str]
    networks: tuple[str, ...]
    plugins: tuple[tuple[str, str, str, str], ...]
    removed_bytes: int | None

    def render(self) -> Iterator[str | Table]:
        """Return tables of versions, devices, caches and weights."""
        if self.removed_bytes is not None:
            yield f"deleted {_amount(self.removed_bytes)} from drkit's cache"
        yield Table("Versions", ("package", "version"), list(self.versions.items()))
        devices = [
            (each.name, each.model, _amount(each.memory_bytes), ", ".join(each.precisions)) for each in self.devices
        ]
        yield Table("Devices", ("--device", "model", "own memory", "--precision"), devices)
        yield f"memory limit: {_amount(self.memory_bytes)}, of which photographs may use {_amount(self.bank_bytes)}"
        caches = [(each.owner, each.path, str(each.files), _amount(each.size_bytes)) for each in self.caches]
        yield Table("Caches", ("cache", "folder", "files", "size"), caches)
        yield Table("ImageNet weights on this machine", ("--backbone", "found in"), list(self.weights.items()))
        yield f"trained networks that come with drkit: {', '.join(self.networks) or 'none'}"
        if self.plugins:
            yield Table("Added by packages", ("kind", "name", "package", "summary or error"), self.plugins)


def run_info(config: InfoConfig) -> InfoReport:
    """Describe this machine, after emptying drkit's cache if requested."""
    own_cache = config.cache_dir or default_cache_dir()
    removed = clear_cached(own_cache) if config.clear_cache else None
    memory = allowed_memory()
    return InfoReport(
        versions=_versions(),
        devices=tuple(_devices()),
        memory_bytes=memory,
        bank_bytes=int(MEMORY_SHARE * memory),
        caches=tuple(_caches(own_cache)),
        weights={entry.name: entry.weights for entry in list_backbones("*") if entry.weights},
        networks=tuple(name for name, stem in PACKAGED_RUNS.items() if Run(stem).record.is_file()),
        plugins=tuple(
            (registry.kind, name, package, str(entry) if isinstance(entry, DrkitError) else entry.summary)
            for registry in REGISTRIES
            for name, package, entry in registry.added()
        ),
        removed_bytes=removed,
    )


def _versions() -> dict[str, str]:
    """Versions of drkit, Python, the system, and all dependencies but those of development."""
    try:
        requirements = requires("drkit") or []
    except PackageNotFoundError:  # drkit runs from a source folder
        requirements = []
    used = [line for line in requirements if not re.search(r"extra == .(test|dev|oracle)", line)]
    names = [match[0] for line in used if (match := PACKAGE_NAME.match(line))]
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    first = {"drkit": drkit.__version__, "Python": platform.python_version(), "system": system}
    return first | {name: _version(name) for name in names if name != "drkit"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> Iterator[DeviceInfo]:
    instructions = torch.backends.cpu.get_cpu_capability()
    model = f"{platform.processor() or platform.machine()}, {allowed_cpus()} cores, {instructions}"
    yield DeviceInfo("cpu", model, None, ("32", "bf16"))
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        halves = ("bf16", "fp16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16",)
        capability = f"{device.name}, compute capability {device.major}.{device.minor}, CUDA {torch.version.cuda}"
        yield DeviceInfo("cuda", capability, device.total_memory, ("32", *halves))
    if torch.backends.mps.is_available():
        yield DeviceInfo("mps", "Apple GPU", None, ("32", "fp16"))


def _caches(own: Path) -> Iterator[CacheFolder]:
    from huggingface_hub.constants import HF_HUB_CACHE

    yield _describe("drkit: photographs, activations", own, cached_files(own))
    for owner, folder in (
        ("Hugging Face: weights", Path(HF_HUB_CACHE)),
        ("torch: weights", Path(torch.hub.get_dir()) / "checkpoints"),
    ):
        yield _describe(owner, folder, [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()])


def _describe(owner: str, folder: Path, files: list[Path]) -> CacheFolder:
    home, path = Path.home(), folder.absolute()
    shown = f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else path.as_posix()
    return CacheFolder(owner, shown, len(files), sum(file.stat().st_size for file in files))


def _amount(num_bytes: int | None) -> str:
    if num_bytes is None:
        return ""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if num_bytes >= unit:
            return f"{num_bytes / unit:.1f} {name}"
    return f"{num_bytes} bytes"
