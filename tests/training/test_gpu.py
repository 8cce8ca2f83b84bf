"""On a real GPU: training in all precisions, predictions as on the CPU, and smaller batches when memory runs out."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reporters import Recorder

from drkit.batching import BatchSize
from drkit.config.training import RunOptions, TrainingConfig
from drkit.data.units import build_units
from drkit.errors import Interrupted
from drkit.grading import grade_photographs
from drkit.inference import run_units
from drkit.models.grader import build_grader
from drkit.models.restoring import open_run
from drkit.progress import reporting_to
from drkit.recipes.finetune import run_finetune
from drkit.records.checkpoint import read_checkpoint
from drkit.records.history import read_history
from drkit.records.layouts import read_dataset, read_datasets
from drkit.records.runs import Run, read_run_record
from drkit.training.planning import plan_training

DEVICE = "cuda"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")]


@pytest.fixture
def config(small_config: TrainingConfig) -> TrainingConfig:
    """A training without batch norm, which would amplify rounding errors."""
    return replace(
        small_config, backbone="test_convnext", epochs=2, choose="last", dropout=0.0, clip=1.0, device=DEVICE
    )


@pytest.mark.parametrize("precision", ["32", "bf16", "fp16"])
def test_a_training_on_the_gpu_is_that_of_the_cpu_up_to_rounding(
    config: TrainingConfig, tmp_path: Path, precision: str
) -> None:
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("this GPU only emulates bf16")
    here = Run(run_finetune(replace(config, device="cpu"), RunOptions(tmp_path, "cpu")).run)
    there = Run(run_finetune(replace(config, precision=precision), RunOptions(tmp_path, "gpu")).run)
    assert read_run_record(there)["computed_on"] == {"device": DEVICE, "precision": precision, "processes": 1}
    losses = [read_history(run.history)["loss"].to_numpy() for run in (here, there)]
    assert np.allclose(losses[1], losses[0], rtol=0.01 if precision == "32" else 0.1)
    tensors = read_checkpoint(there.checkpoint())[0].values()
    assert all(tensor.isfinite().all() and tensor.dtype != torch.bfloat16 for tensor in tensors)


def test_a_state_written_in_one_precision_is_resumed_in_another(config: TrainingConfig, tmp_path: Path) -> None:
    class InterruptingRecorder(Recorder):
        def notify(self, message: str) -> None:
            super().notify(message)
            if "epoch 2/2" in message:  # before its state is saved
                raise KeyboardInterrupt

    with pytest.raises(Interrupted), reporting_to(InterruptingRecorder()):
        run_finetune(replace(config, precision="32"), RunOptions(tmp_path, "run"))
    run = Run(run_finetune(replace(config, precision="fp16"), RunOptions(tmp_path, "run", resume=True)).run)
    assert read_history(run.history)["epoch"].unique().tolist() == [1, 2]


@pytest.mark.parametrize(("precision", "tolerance"), [("32", 0.01), ("auto", 0.1)])
def test_predictions_on_the_gpu_are_those_of_the_cpu(
    run_stem: Path, eyes: Path, precision: str, tolerance: float
) -> None:
    opened = open_run(run_stem)
    there = grade_photographs(opened, read_datasets([eyes]), DEVICE, precision=precision, embeddings=True)
    here = grade_photographs(opened, read_datasets([eyes]), "cpu", embeddings=True)
    assert there.rows["image_id"].tolist() == here.rows["image_id"].tolist()
    assert np.allclose(there.rows["score"], here.rows["score"], atol=tolerance)
    assert np.allclose(there.probabilities(), here.probabilities(), atol=tolerance)
    assert there.embeddings().shape == here.embeddings().shape


@pytest.fixture
def limit_to_half() -> Iterator[Callable[[], None]]:
    """Leaves this process half of the GPU memory that it has taken at most since the start of the test."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()

    def limit() -> None:
        peak = torch.cuda.max_memory_reserved()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(peak / 2 / torch.cuda.get_device_properties(0).total_memory)

    yield limit
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_inference_without_enough_memory_gives_the_same_in_smaller_batches(
    small_config: TrainingConfig, eyes: Path, limit_to_half: Callable[[], None]
) -> None:
    labels = read_dataset(eyes)
    plan = plan_training(labels, replace(small_config, backbone="resnet18", size=320))
    grader, units = build_grader(plan.architecture).to(DEVICE), build_units(labels, "image")
    numbers, images = np.arange(len(units)), torch.randn(len(units), 3, 320, 320)
    whole, halved = BatchSize(len(units)), BatchSize(len(units))

    def run(size: BatchSize) -> np.ndarray:
        return run_units(grader, lambda rows: [images[rows].to(DEVICE)], units, numbers, batch_size=size).logits

    expected = run(whole)
    assert whole.limit == len(units)
    limit_to_half()
    assert np.allclose(run(halved), expected, atol=1e-3)
    assert halved.limit < len(units)


def test_a_training_that_runs_out_of_memory_continues_in_smaller_batches(
    small_config: TrainingConfig, tmp_path: Path, limit_to_half: Callable[[], None]
) -> None:
    config = replace(small_config, backbone="resnet18", size=320, epochs=1, batch_size=16, choose="last", device=DEVICE)
    run_finetune(config, RunOptions(tmp_path, "roomy"))
    limit_to_half()
    recorder = Recorder()
    with reporting_to(recorder):
        run = run_finetune(config, RunOptions(tmp_path, "cramped")).run
    assert any("out of memory" in warning for warning in recorder.warnings)
    assert np.isfinite(read_history(Run(run).history)["loss"]).all()
