"""Checks of the machine before any work."""

from pathlib import Path

import pytest
import torch

from drkit.config.training import TrainingConfig
from drkit.errors import UsageError
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.records.runs import Run, read_run_record
from drkit.training import devices
from drkit.training.devices import check_machine, pick_device


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that reports a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(devices, "_check_kernels", lambda _: None)


def test_a_run_records_its_device_and_precision(run_stem: Path) -> None:
    taken = read_run_record(Run(run_stem))["computed_on"]
    assert taken == {"device": "cpu", "precision": "32", "processes": 1}


@pytest.mark.parametrize(("native", "taken"), [(True, "bf16-mixed"), (False, "16-mixed")])
def test_emulated_bf16_is_not_used(one_gpu: None, monkeypatch: pytest.MonkeyPatch, native: bool, taken: str) -> None:
    """As on a T4, P100 or V100."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    assert devices.pick_precision("auto", torch.device("cuda")) == taken
    assert devices.pick_precision("auto", torch.device("mps")) == "32-true"


def test_too_many_gpus_are_refused_before_any_work(one_gpu: None, small_config: TrainingConfig, tmp_path) -> None:
    config = TrainingConfig(**{**vars(small_config), "device": "auto", "devices": 2})
    with pytest.raises(UsageError, match="--devices 2 needs 2 GPUs, but this machine has 1: choose --devices 1"):
        plan_finetune(config, RunOptions(tmp_path))
    check_machine(TrainingConfig(**{**vars(config), "devices": 1, "precision": "bf16"}))


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_gpu_that_torch_has_no_kernels_for_is_refused(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """As a P100 with current wheels: the device is available, but the first kernel fails."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with ...")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "mps")
    monkeypatch.setattr(torch, "ones", fail)
    message = rf"--device {kind}: torch .* cannot compute .*no kernel image is available.*, or use --device cpu$"
    for name in ("auto", kind):
        with pytest.raises(UsageError, match=message):
            pick_device(name)
    assert pick_device("cpu").type == "cpu"


def test_without_a_compiler_compiling_is_refused(
    small_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    """With torch's message without g++; nothing is trained and nothing is written."""

    def missing(*_: object) -> None:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr(torch, "compile", lambda _: missing)
    config = TrainingConfig(**{**vars(small_config), "compile": True})
    with pytest.raises(UsageError, match=r"--compile: .*\(InvalidCxxCompiler: No working C\+\+ compiler found\)"):
        run_finetune(config, RunOptions(tmp_path, "a"))
    assert not list(tmp_path.iterdir())
