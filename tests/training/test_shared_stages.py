"""The processes of a training share the work on frozen stages, and map the same features."""

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from two_processes import Finetune

# Writes down the batches that each process ran the frozen stages on, and the features that it got.
FROZEN = """
import hashlib
import os
from pathlib import Path
import torch
from drkit import batching
from drkit.cli.app import main
from drkit.training import inputs, setup

batching.in_batches.__defaults__ = (4,)
run, freeze, batches, rank = inputs.run_frozen_part, setup.freeze_inputs, [], os.environ.get("LOCAL_RANK", "0")

def watch_run(grader, images, stages):
    if batches and rank == os.environ.get("CRAMPED"):
        raise torch.OutOfMemoryError("out of memory")
    batches.append(len(images))
    return run(grader, images, stages)

def watch_freeze(*given):
    made = freeze(*given)
    features = (made.eval_features, made.copies)
    digest = hashlib.sha256(b"".join(each.tobytes() for each in features)).hexdigest()
    event = [str(len(batches) - 1), digest, *(type(each).__name__ for each in features)]  # the first tells the shape
    Path(os.environ["EVENTS"], f"rank {given[4].global_rank}").write_text(" ".join(event))
    return made

inputs.run_frozen_part, setup.freeze_inputs = watch_run, watch_freeze
main()
"""
FREEZE = ["--freeze", "1", "--copies", "2", "--augment", "medium", "--epochs", "1", "--name", "a"]
ALONE = ["--devices", "1", "--strategy", "auto"]


@pytest.fixture(scope="module")
def frozen_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = tmp_path_factory.mktemp("script") / "frozen.py"
    script.write_text(FROZEN)
    return script


def _read_events(folder: Path, num_processes: int) -> tuple[list[int], list[str]]:
    """Number of batches, and digest and kind of the features, of each process."""
    events = [(folder / f"rank {rank}").read_text().partition(" ") for rank in range(num_processes)]
    return [int(batches) for batches, _, _ in events], [features for _, _, features in events]


@pytest.fixture(scope="module")
def features_of_one(
    finetune: Finetune, eyes: Path, frozen_script: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, str]:
    """Number of batches, and digest of the features, of a training in one process."""
    folder = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("EVENTS", str(folder))
        done = finetune(eyes, folder / "runs", *FREEZE, *ALONE, program=[str(frozen_script)])
    assert done.returncode == 0, done.stderr
    (batches,), (features,) = _read_events(folder, 1)
    digest, *kinds = features.split()
    assert kinds == ["ndarray", "ndarray"]
    return batches, digest


@pytest.mark.parametrize("cached", [False, True], ids=["temporary", "cached"])
def test_the_processes_of_a_machine_share_the_frozen_stages_and_map_the_same_features(
    finetune: Finetune,
    eyes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    frozen_script: Path,
    features_of_one: tuple[int, str],
    cached: bool,
) -> None:
    caches = [tmp_path / "cache", tmp_path / "home" / "drkit"]
    monkeypatch.setenv("EVENTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    options = [*FREEZE, *(["--cache-dir", str(caches[0])] if cached else [])]
    done = finetune(eyes, tmp_path / "runs", *options, program=[str(frozen_script)])
    assert done.returncode == 0, done.stderr
    num_batches, digest = features_of_one
    batches, features = _read_events(tmp_path, 2)
    assert sum(batches) == num_batches
    assert batches[0] - batches[1] in (0, 1, 2)  # at most one more of each array
    assert features == [f"{digest} memmap memmap"] * 2
    left = [path.suffix for cache in caches if cache.is_dir() for path in cache.iterdir() if path.is_file()]
    assert sorted(left) == [".json", ".json", ".npy", ".npy"] * cached


def test_two_machines_with_one_cache_folder_wait_for_each_other_and_share_its_features(
    finetune: Finetune,
    eyes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    frozen_script: Path,
    features_of_one: tuple[int, str],
) -> None:
    monkeypatch.setenv("EVENTS", str(tmp_path))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    machines = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "2", "--master-addr", "localhost"]
    options = [*FREEZE, "--nodes", "2", "--cache-dir", str(tmp_path / "cache")]

    def start(node: int) -> subprocess.CompletedProcess[str]:
        program = [*machines, "--master-port", port, "--node-rank", str(node), str(frozen_script)]
        return finetune(eyes, tmp_path / "runs", *options, program=program)

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(start, range(2)):
            assert done.returncode == 0, done.stderr
    num_batches, digest = features_of_one
    batches, features = _read_events(tmp_path, 4)
    assert sum(batches) == num_batches
    assert features == [f"{digest} memmap memmap"] * 4


def test_an_error_in_one_share_of_the_frozen_stages_ends_all_and_leaves_nothing(
    finetune: Finetune, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen_script: Path
) -> None:
    monkeypatch.setenv("EVENTS", str(tmp_path))
    monkeypatch.setenv("CRAMPED", "1")
    cache = tmp_path / "cache"
    done = finetune(eyes, tmp_path / "runs", *FREEZE, "--cache-dir", str(cache), program=[str(frozen_script)])
    assert done.returncode == 2
    assert done.stderr.count("not even one unit fits in memory") == 1
    assert "Traceback" not in done.stderr
    assert list(cache.iterdir()) == []
