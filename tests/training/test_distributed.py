"""Several processes train one network, write one run and report once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from two_processes import OPTIONS, Finetune

from drkit.config.predict import PredictConfig
from drkit.config.training import TrainingConfig
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.recipes.predict import run_predict
from drkit.records.checkpoint import read_checkpoint
from drkit.records.history import read_history
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run, list_networks


@pytest.fixture(scope="module")
def finished(
    finetune: Finetune, eyes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("two")
    done = finetune(eyes, folder, "--name", "two", "--dropout", "0")
    assert done.returncode == 0, done.stderr
    return Run(folder / "two"), done


def test_two_processes_write_one_run_and_report_once(finished: tuple[Run, subprocess.CompletedProcess[str]]) -> None:
    run, done = finished
    assert sorted(path.name for path in run.stem.parent.iterdir()) == sorted(path.name for path in run.outputs())
    assert done.stderr.count("epoch 1/2") == done.stderr.count("epoch 2/2") == 1
    assert done.stdout.count("wrote ") == 1
    assert "Traceback" not in done.stderr
    assert "GLOBAL_RANK" not in done.stderr


def test_two_processes_train_the_same_network_as_one_with_larger_batches(
    finished: tuple[Run, subprocess.CompletedProcess[str]], small_config: TrainingConfig, tmp_path: Path
) -> None:
    """Without batch norm and dropout, the results are equal except for rounding."""
    config = replace(
        small_config, backbone="test_convnext", epochs=2, batch_size=8, choose="last", augment="none", dropout=0.0
    )
    alone = Run(run_finetune(config, RunOptions(tmp_path, "one")).run)
    together, _ = finished
    histories = [read_history(run.history).set_index(["epoch", "split"])["loss"] for run in (alone, together)]
    assert histories[0].index.tolist() == histories[1].index.tolist()
    assert histories[0].tolist() == pytest.approx(histories[1].tolist(), rel=0.02)
    first, second = (read_predictions(run.stem).rows["score"] for run in (alone, together))
    assert first.tolist() == pytest.approx(second.tolist(), abs=0.05)
    weights = [read_checkpoint(run.checkpoint())[0]["head.output.weight"] for run in (alone, together)]
    assert torch.allclose(*weights, atol=5e-3)


def test_two_processes_train_the_networks_of_several_seeds_one_after_another(
    finetune: Finetune, eyes: Path, tmp_path: Path
) -> None:
    done = finetune(eyes, tmp_path, "--name", "several", "--seeds", "2", "--freeze", "1", "--copies", "1")
    assert done.returncode == 0, done.stderr
    run, networks = Run(tmp_path / "several"), list_networks(0, (0, 1))
    assert sorted(tmp_path.iterdir()) == sorted(run.outputs(networks))
    assert done.stderr.count("epoch 2/2") == 2
    first, second = (read_checkpoint(run.checkpoint(network))[0]["head.output.weight"] for network in networks)
    assert not torch.equal(first, second)
    assert read_predictions(run.stem).meta.seeds == (0, 1)


# Writes down how many units each process evaluates at a time.
SHARDED = """
import os
from pathlib import Path
from drkit.cli.app import main
from drkit.training import sharding

run_units = sharding.run_units

def watch(grader, views, units, numbers, autocast):
    with Path(os.environ["EVENTS"]).with_suffix("." + os.environ["RANK"]).open("a") as stream:
        stream.write(f"{len(numbers)} ")
    return run_units(grader, views, units, numbers, autocast)

sharding.run_units = watch
main()
"""


def test_torchrun_starts_the_processes_which_share_out_the_validation(
    finetune: Finetune, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network has batch norms, whose statistics differ between the processes in training."""
    script = tmp_path / "sharded.py"
    script.write_text(SHARDED)
    monkeypatch.setenv("EVENTS", str(tmp_path / "units"))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    options = ["--backbone", "test_efficientnet", "--norms", "batch", "--lr", "0.01", "--no-ema"]
    options += ["--choose", "val", "--name", "two"]
    done = finetune(eyes, tmp_path, *options, program=torchrun)
    assert done.returncode == 0, done.stderr  # torchrun fails when any process does
    assert [(tmp_path / f"units.{rank}").read_text() for rank in (0, 1)] == [
        "4 4 4 ",
        "4 4 4 ",
    ]  # 2 epochs, and the kept one
    config = PredictConfig(data=[eyes], split="val", out=tmp_path / "alone.parquet", device="cpu")
    run_predict(tmp_path / "two", config)
    alone = read_predictions(tmp_path / "alone.parquet")
    residuals = alone.rows["score"] - alone.reference()
    sigma = read_checkpoint(Run(tmp_path / "two").checkpoint())[1].sigma
    assert sigma == pytest.approx(np.sqrt((residuals**2).mean()), rel=1e-4)


# The second process runs out of memory with more than two units, after the gradients have been computed.
CRAMPED = """
import os
import torch
from lightning_fabric import Fabric
from drkit.cli.app import main
from drkit.training.learner import Learner

fits = 2 if os.environ.get("LOCAL_RANK") == "1" else 100
look, backward, seen = Learner._forward_loss, Fabric.backward, []

def remember(self, units, epoch):
    seen[:] = [len(units)]
    return look(self, units, epoch)

def fail_late(self, *given, **options):
    backward(self, *given, **options)
    if seen and seen.pop() > fits:
        raise torch.OutOfMemoryError("out of memory")

Learner._forward_loss, Fabric.backward = remember, fail_late
main()
"""


def test_only_the_process_that_runs_out_of_memory_halves_its_batches(
    finetune: Finetune, finished: tuple[Run, subprocess.CompletedProcess[str]], eyes: Path, tmp_path: Path
) -> None:
    """The others wait for it, and the result is the same, because there is no batch norm and no dropout."""
    script = tmp_path / "cramped.py"
    script.write_text(CRAMPED)
    done = finetune(eyes, tmp_path, "--name", "two", "--dropout", "0", program=[str(script)])
    assert done.returncode == 0, done.stderr
    weights = [
        read_checkpoint(run.checkpoint())[0]["head.output.weight"] for run in (finished[0], Run(tmp_path / "two"))
    ]
    assert torch.allclose(*weights, atol=5e-3)


def test_an_error_is_reported_once(finetune: Finetune, eyes: Path, tmp_path: Path) -> None:
    """A truncated photograph is only found when both processes are running."""
    data = tmp_path / "data"
    shutil.copytree(eyes, data)
    cut = sorted((data / "train").rglob("*.jpg"))[0]
    cut.write_bytes(cut.read_bytes()[:400])
    done = finetune(data, tmp_path / "runs")
    assert done.returncode == 2
    assert done.stderr.count("drkit: error:") == 1
    assert not (tmp_path / "runs").exists()


# Writes down which process decoded, and what each mapped.
WATCHED = """
import os
from pathlib import Path
from drkit.cli.app import main
from drkit.data import bank
from drkit.training import setup

fill, set_up, folder = bank._fill, setup.set_up, Path(os.environ["EVENTS"])

def watch_fill(*given, **options):
    (folder / f"decoded by {os.environ.get('LOCAL_RANK', 0)}").touch()
    return fill(*given, **options)

make_once = setup.make_once

def watch_made(fabric, make):
    made = make_once(fabric, make)
    (folder / f"{type(made[0].pixels).__name__} {made[0].pixels.sum()} {len(made[0])} {fabric.local_rank}").touch()
    return made

bank._fill, setup.make_once = watch_fill, watch_made
main()
"""


def test_one_process_decodes_and_all_map_its_file(
    finetune: Finetune, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, folder, cache = tmp_path / "watched.py", tmp_path / "events", tmp_path / "cache"
    script.write_text(WATCHED)
    folder.mkdir()
    monkeypatch.setenv("EVENTS", str(folder))
    done = finetune(
        eyes, tmp_path / "runs", "--name", "a", "--epochs", "1", "--cache-dir", str(cache), program=[str(script)]
    )
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in folder.iterdir())
    assert "decoded by 0" in names
    assert "decoded by 1" not in names
    mapped = [name.rpartition(" ") for name in names if name.startswith("memmap")]
    assert [rank for *_, rank in mapped] == ["0", "1"]
    assert mapped[0][0] == mapped[1][0]
    assert list(cache.iterdir()) == []


def _is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def _find_other(first: int, folder: Path) -> int:
    """The process, other than the first, whose command line names a folder."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if line.parent.name != str(first) and os.fsencode(folder) in line.read_bytes():
                return int(line.parent.name)
    raise AssertionError("there is no second process")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the second process in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_terminating_one_process_ends_all_with_one_line(programs: Path, eyes: Path, tmp_path: Path, rank: int) -> None:
    command = [programs / "python", "-m", "drkit", "finetune", "--data", str(eyes), *OPTIONS, "--name", "a"]
    command += ["--epochs", "400", "--runs-dir", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 400
    while not Run(tmp_path / "a").resume().exists() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    second = _find_other(first.pid, tmp_path)
    os.kill((first.pid, second)[rank], signal.SIGTERM)
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.count("interrupted") == 1
    assert "--resume" in errors
    deadline = time.monotonic() + 60
    while _is_running(second) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(second)
    assert torch.load(Run(tmp_path / "a").resume(), weights_only=True)["history"]
