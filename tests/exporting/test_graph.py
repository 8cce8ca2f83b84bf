"""The exported graph gives the outputs of the run."""

from pathlib import Path

import numpy as np
import pytest
import torch

from drkit.catalogue import LOSSES
from drkit.config.training import TrainingConfig
from drkit.data.units import UnitIndex
from drkit.exporting.graph import RunGraph, grade_probabilities, join
from drkit.exporting.inputs import gather_units
from drkit.grading import grade_photographs
from drkit.losses import Loss, build_loss
from drkit.models.fusion import AttentionFusion, Concatenation, Fusion, MeanMaxFusion
from drkit.models.restoring import open_run
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.records.layouts import read_datasets

MASK = torch.tensor([[True, True, True, True], [True, False, True, False], [False, False, False, True]])


@pytest.mark.parametrize("fusion", [MeanMaxFusion(6), AttentionFusion(6, 3), Concatenation(6, 4)], ids=repr)
def test_units_with_missing_photographs_are_joined_as_in_training(fusion: Fusion) -> None:
    torch.manual_seed(0)
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter)  # the rating starts at zero, where attention is the plain mean
    activations = torch.randn(3, 4, 6)
    unit, slot = MASK.nonzero().unbind(1)
    places = UnitIndex(unit, slot, unit, 3, 3)
    assert torch.allclose(join(fusion, activations, MASK), fusion(activations[MASK], places), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_logits_are_read_as_the_loss_reads_them(name: str) -> None:
    loss = build_loss(name)
    logits = 3 * torch.randn(20, loss.num_outputs, generator=torch.Generator().manual_seed(0))
    logits = logits.sort(1, descending=True).values  # as those of cumulative links are
    read = grade_probabilities(loss, logits, 0.7)
    assert np.allclose(read.numpy(), loss.probabilities(logits.numpy().astype(float), 0.7), atol=1e-6)


class GradeProbabilities(torch.nn.Module):
    """The probabilities and score of a loss as a graph."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return grade_probabilities(self.loss, logits, 0.7)


@pytest.mark.parametrize("name", LOSSES)
def test_onnx_has_the_operators_of_every_loss(name: str, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason="the extra export is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    graph = GradeProbabilities(build_loss(name)).eval()
    logits = torch.linspace(2, -2, graph.loss.num_outputs).expand(3, -1)
    torch.onnx.export(graph, (logits,), tmp_path / "loss.onnx", input_names=["logits"], dynamo=True, verbose=False)
    (found,) = runtime.InferenceSession(tmp_path / "loss.onnx").run(None, {"logits": logits.numpy()})
    assert np.allclose(found, graph(logits).numpy(), atol=1e-6)


@pytest.fixture(scope="module")
def patient_run(small_config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds on whole patients, graded by the eight views."""
    from dataclasses import replace

    config = replace(
        small_config, unit="patient", fusion="attention", folds=2, choose="inner", tta=True, epochs=1, batch_size=2
    )
    return run_finetune(config, RunOptions(tmp_path_factory.mktemp("runs"), "patients")).run


def test_folds_views_and_masks_give_what_predict_gives(patient_run: Path, eyes: Path) -> None:
    labels = read_datasets([eyes]).of_split("val")
    short = labels.rows.groupby("patient_id").cumcount() != 1  # a photograph of each patient is missing
    object.__setattr__(labels, "rows", labels.rows[short.to_numpy()].reset_index(drop=True))
    opened = open_run(patient_run)
    predictions = grade_photographs(opened, labels, "cpu")
    units = gather_units(opened, labels)
    batches = list(units.batches())
    photographs, mask = (
        np.concatenate([getattr(batch, name) for batch in batches]) for name in ("photographs", "mask")
    )
    assert (~mask).sum() == len(mask) == len(units.units)
    with torch.inference_mode():
        graph = RunGraph(opened).eval()
        probabilities, score = graph(torch.from_numpy(photographs), torch.from_numpy(mask))
    assert np.allclose(probabilities.numpy()[units.unit_of], predictions.probabilities(), atol=1e-5)
    assert np.allclose(score.numpy()[units.unit_of], predictions.rows["score"], atol=1e-5)


def test_the_content_of_a_masked_slot_does_not_matter(patient_run: Path) -> None:
    opened = open_run(patient_run, fold=0)
    side = opened.header.bank_side
    photographs = torch.randint(0, 256, (1, 4, 3, side, side), dtype=torch.uint8)
    mask = torch.tensor([[True, False, True, True]])
    graph = RunGraph(opened).eval()
    with torch.inference_mode():
        first = graph(photographs, mask)
        photographs[0, 1] = 255
        assert torch.equal(graph(photographs, mask)[1], first[1])
        assert not torch.allclose(graph(photographs)[1], first[1])
