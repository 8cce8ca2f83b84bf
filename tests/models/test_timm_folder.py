"""A run's folder can be opened with timm."""

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from drkit.config.training import AttendConfig, TrainingConfig
from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.models.restoring import open_run
from drkit.models.timm_folder import build_timm_network, write_timm_folder
from drkit.recipes.finetune import RunOptions, run_finetune


@pytest.mark.parametrize(
    ("unit", "fusion", "loss"),
    [("image", "mean-max", "regression"), ("patient", "mean-max", "cumulative-link"), ("eye", "attention", "corn")],
)
def test_timms_network_gives_the_runs_logits(
    small_config: TrainingConfig, tmp_path: Path, unit: str, fusion: str, loss: str
) -> None:
    config = replace(small_config, unit=unit, fusion=fusion, loss=loss, epochs=1, batch_size=4)  # type: ignore[arg-type]
    opened = open_run(run_finetune(config, RunOptions(tmp_path, "small")).run)
    write_timm_folder(opened, build_timm_network(opened), tmp_path / "folder", {"run": "small"})
    network = timm.create_model(f"local-dir:{tmp_path / 'folder'}", pretrained=True).eval()
    images = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(network(images), opened.graders[0](images, UnitIndex.alone(3)), atol=1e-5)
    assert tuple(network.pretrained_cfg["mean"]) == opened.header.mean


def test_a_run_that_timm_cannot_represent_is_refused(small_config: TrainingConfig, tmp_path: Path) -> None:
    small = replace(small_config, epochs=1, batch_size=4)
    dual = run_finetune(replace(small, unit="eye", fusion="concat"), RunOptions(tmp_path, "dual")).run
    with pytest.raises(UsageError, match="cannot grade single photographs: use --format onnx"):
        build_timm_network(open_run(dual))
    folds = run_finetune(replace(small, folds=2, choose="inner"), RunOptions(tmp_path, "folds")).run
    with pytest.raises(UsageError, match="has 2 networks"):
        build_timm_network(open_run(folds))
    assert build_timm_network(open_run(folds, fold=1)).num_classes == 1
    options = {name: getattr(small, name) for name in small.__dataclass_fields__}
    attended = run_finetune(AttendConfig(**options, attention_blocks="se"), RunOptions(tmp_path, "se")).run
    with pytest.raises(UsageError, match="has attention blocks"):
        build_timm_network(open_run(attended))
