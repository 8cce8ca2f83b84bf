"""Limits on CPUs and memory, with simulated file systems."""

import os
from pathlib import Path

import pytest

from drkit import machine
from drkit.data import bank

GIB = 2**30


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of 16 CPUs and 64 GiB without limits; its file system."""
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "_installed_memory", lambda: 64 * GIB)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    return tmp_path


def _write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content + "\n")


@pytest.mark.parametrize(
    ("files", "cpus", "gibibytes"),
    [
        ({}, 16, 64),
        # cgroup v2, in a container and below a limited slice
        (
            {
                "proc/self/cgroup": "0::/",
                "sys/fs/cgroup/memory.max": str(30 * GIB),
                "sys/fs/cgroup/cpu.max": "400000 100000",
            },
            4,
            30,
        ),
        (
            {
                "proc/self/cgroup": "0::/",
                "sys/fs/cgroup/memory.max": "max",
                "sys/fs/cgroup/cpu.max": "max 100000",
            },
            16,
            64,
        ),
        (
            {
                "proc/self/cgroup": "0::/user.slice/job",
                "sys/fs/cgroup/user.slice/memory.max": str(8 * GIB),
                "sys/fs/cgroup/user.slice/job/memory.max": "max",
                "sys/fs/cgroup/user.slice/job/cpu.max": "150000 100000",
            },
            2,
            8,
        ),
        # cgroup v1, whose path in a container is the host's
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/a\n3:memory:/docker/a",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(13 * GIB),
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            2,
            13,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/\n3:memory:/",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            16,
            64,
        ),
    ],
)
def test_control_groups_limit(bare: Path, files: dict[str, str], cpus: int, gibibytes: int) -> None:
    _write(bare, files)
    assert (machine.allowed_cpus(), machine.allowed_memory()) == (cpus, gibibytes * GIB)


def test_affinity_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert machine.allowed_cpus() == 2


@pytest.mark.parametrize(
    ("variables", "cpus", "gibibytes"),
    [
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_MEM_PER_NODE": "20480"}, 4, 20),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "8"}, 16, 16),
    ],
)
def test_slurm_limits(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], cpus: int, gibibytes: int) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (machine.allowed_cpus(), machine.allowed_memory()) == (cpus, gibibytes * GIB)


def test_a_bank_stays_within_the_allowed_memory(bare: Path) -> None:
    assert bank.fits_in_memory(12 * GIB)
    _write(bare, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": str(16 * GIB)})
    assert not bank.fits_in_memory(12 * GIB)
    assert bank.fits_in_memory(6 * GIB)
