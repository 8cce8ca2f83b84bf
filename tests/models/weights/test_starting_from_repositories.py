"""Trainings that start from a repository: its settings, and the messages of the commands."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save
from timm.models import save_for_hf

from drkit.config.training import TrainingConfig
from drkit.errors import InputError, UsageError
from drkit.models.grader import build_grader
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.records.layouts import read_datasets
from drkit.records.runs import UNKNOWN_PHOTOGRAPHS
from drkit.training.initial_weights import find_initial_weights
from drkit.training.plan import TrainingPlan
from drkit.training.planning import plan_training

Hub = Any  # of conftest.py
TINY = "hf-hub:some/FundusDRGrading-tiny"
MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a trained network, as exported by timm."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(1)
    save_for_hf(timm.create_model("test_resnet", num_classes=5), folder, safe_serialization="both")
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= {"input_size": [3, 96, 96], "mean": MEAN, "std": STD}
    (folder / "config.json").write_text(json.dumps(config))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def server(hub: Hub, grader: dict[str, bytes]) -> Hub:
    """A hub with that network, and with a file of weights without a configuration."""
    hub.add("some/FundusDRGrading-tiny", grader)
    hub.add("field/foundation", {"foundation.pth": grader["pytorch_model.bin"]})
    return hub


def _plan(config: TrainingConfig, **changes: Any) -> TrainingPlan:
    config = replace(config, **{"backbone": None, "size": None} | changes)
    return plan_training(read_datasets(config.data), config)


@pytest.mark.parametrize(
    "named",
    [
        {"backbone": TINY, "weights": "imagenet"},
        {
            "backbone": "hf_hub:some/FundusDRGrading-tiny",
            "weights": "hf-hub:some/FundusDRGrading-tiny:pytorch_model.bin",
        },
        {"weights": TINY},
    ],
)
def test_a_repository_provides_backbone_side_normalisation_and_weights(
    server: Hub, small_config: TrainingConfig, named: dict[str, str]
) -> None:
    plan = _plan(small_config, **named)
    assert plan.architecture.backbone == "test_resnet"
    assert (plan.input_format.side, plan.input_format.mean, plan.input_format.std) == (96, MEAN, STD)
    assert str(plan.initial_weights).startswith("hf-hub:some/FundusDRGrading-tiny:")
    assert plan.initial_weights.seen == {UNKNOWN_PHOTOGRAPHS}
    assert plan.identity()["weights"] == plan.initial_weights.sha256
    assert plan.config.keeps_statistics
    assert _plan(small_config, **named, size=64).input_format.side == 64


def test_a_runs_default_name_is_the_repositorys(server: Hub, small_config: TrainingConfig) -> None:
    plan = _plan(small_config, backbone=TINY, weights="imagenet")
    assert plan.default_name == "FundusDRGrading-tiny-image-patient"


def test_weights_without_a_configuration_keep_the_backbones_input_format(
    server: Hub, small_config: TrainingConfig
) -> None:
    plan = _plan(small_config, backbone="test_resnet", weights=TINY)
    assert (plan.input_format.side, plan.input_format.mean) == (160, (0.5, 0.5, 0.5))
    assert plan.initial_weights.sha256
    alone = _plan(small_config, backbone="test_resnet", weights="hf-hub:field/foundation")
    assert alone.initial_weights.seen == {UNKNOWN_PHOTOGRAPHS}


def test_a_repositorys_network_can_start_from_random_or_other_weights(
    server: Hub, small_config: TrainingConfig
) -> None:
    named = {"backbone": TINY}
    nothing = _plan(small_config, **named, weights="none")
    assert (nothing.initial_weights.foreign, nothing.initial_weights.is_pretrained, nothing.input_format.side) == (
        None,
        False,
        96,
    )
    other = _plan(small_config, **named, weights="hf-hub:field/foundation")
    assert (str(other.initial_weights), other.input_format.mean) == ("hf-hub:field/foundation:foundation.pth", MEAN)


def test_a_folder_with_a_configuration_can_be_a_backbone(
    small_config: TrainingConfig, grader: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in grader.items():
        (tmp_path / name).write_bytes(content)
    plan = _plan(small_config, backbone=f"local-dir:{tmp_path}", weights="imagenet")
    assert (plan.architecture.backbone, plan.input_format.side, plan.initial_weights.seen) == (
        "test_resnet",
        96,
        {UNKNOWN_PHOTOGRAPHS},
    )


def test_a_file_as_a_backbone_is_refused(server: Hub) -> None:
    with pytest.raises(
        UsageError,
        match=r"names a file: use --backbone hf-hub:field/foundation --weights hf-hub:field/foundation:a\.pth",
    ):
        find_initial_weights("imagenet", "hf-hub:field/foundation:a.pth")


def test_a_repository_without_a_configuration_is_refused_with_advice(server: Hub) -> None:
    with pytest.raises(InputError, match=r"has no config\.json.*--weights hf-hub:field/foundation"):
        find_initial_weights("imagenet", "hf-hub:field/foundation")


def test_weights_of_another_network_are_refused(server: Hub, small_config: TrainingConfig) -> None:
    plan = _plan(small_config, backbone="test_efficientnet", weights="hf-hub:field/foundation")
    with pytest.raises(InputError, match=r"^hf-hub:field/foundation:foundation\.pth contains .* of test_efficientnet"):
        build_grader(plan.architecture, load=plan.initial_weights.load)


def test_a_dry_run_refuses_the_weights_that_the_run_would(
    server: Hub, small_config: TrainingConfig, grader: dict[str, bytes], tmp_path: Path
) -> None:
    server.add("some/eyes", grader | {"model.safetensors": save({"conv1.0.weight": torch.ones(2, 2)})})
    config = replace(small_config, backbone="hf-hub:some/eyes", weights="imagenet", epochs=1)
    for start in (plan_finetune, run_finetune):
        with pytest.raises(InputError, match=r"some/eyes:model\.safetensors contains 0\.0% of the parameters"):
            start(config, RunOptions(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_checks_whether_timms_weights_can_be_downloaded(
    server: Hub, small_config: TrainingConfig, tmp_path: Path
) -> None:
    config = replace(small_config, backbone="test_resnet", weights="imagenet")
    with pytest.raises(
        InputError, match=r"ImageNet weights of test_resnet are not available .*connect to the internet once"
    ):
        plan_finetune(config, RunOptions(tmp_path / "runs"))
    server.add("timm/test_resnet.r160_in1k", {"model.safetensors": b"a network"})
    assert plan_finetune(config, RunOptions(tmp_path / "runs")).start == "imagenet"
    assert {method for method, _, _ in server.requests} == {"HEAD"}  # nothing was fetched


# From the shell.


Drkit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def drkit(programs: Path) -> Drkit:
    """Run drkit in a new process, because the hub's library reads the environment when it is imported."""

    def run(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
        cleared = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        command = [programs / "drkit", *map(str, arguments)]
        return subprocess.run(command, env=cleared | settings, capture_output=True, text=True, check=False)

    return run


def test_a_run_from_the_hub_predicts_without_the_hub(
    serving: Hub, drkit: Drkit, grader: dict[str, bytes], eyes: Path, tmp_path: Path
) -> None:
    serving.add("some/FundusDRGrading-tiny", grader, "private")
    settings = {"HF_ENDPOINT": serving.url, "HF_HOME": str(tmp_path / "home")}
    small = [
        "--data",
        eyes,
        "--size",
        64,
        "--epochs",
        1,
        "--workers",
        1,
        "--runs-dir",
        tmp_path / "runs",
        "--name",
        "a",
    ]
    train = ["finetune", "--backbone", TINY, *small]
    refused = drkit(*train, **settings)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is private and HF_TOKEN is not set" in refused.stderr
    assert refused.stderr.count("\n") == 1
    planned = drkit(*train, "--dry-run", **settings, HF_TOKEN="good")
    assert planned.returncode == 0, planned.stderr
    assert "test_resnet from hf-hub:some/FundusDRGrading-tiny:model.safetensors weights, 64 px" in planned.stdout
    num_requests = len(serving.requests)
    trained = drkit(*train, **settings, HF_HUB_OFFLINE="1")  # all of it is in the cache now
    assert trained.returncode == 0, trained.stderr
    assert "weights from hf-hub:some/FundusDRGrading-tiny:model.safetensors: " in trained.stderr
    assert len(serving.requests) == num_requests
    record = json.loads((tmp_path / "runs" / "a.json").read_text())
    assert UNKNOWN_PHOTOGRAPHS in record["trained_on_photographs"]
    assert record["weights"] == "hf-hub:some/FundusDRGrading-tiny:model.safetensors"
    empty = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "nothing"), "HF_HUB_OFFLINE": "1"}
    out = tmp_path / "p.parquet"
    predicted = drkit("predict", tmp_path / "runs" / "a", "--data", eyes, "--out", out, **empty)
    assert predicted.returncode == 0, predicted.stderr
    assert out.is_file()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "some/eyes:config.json is not in the cache"),
        (
            {"HF_ENDPOINT": "http://127.0.0.1:9"},
            "http://127.0.0.1:9 does not respond to a request for hf-hub:some/eyes",
        ),
        ({}, "hf-hub:some/eyes does not exist, or is private"),
    ],
    ids=["offline", "nobody", "missing"],
)
def test_errors_of_the_hub_are_one_line(
    serving: Hub, drkit: Drkit, eyes: Path, tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    home = {"HF_ENDPOINT": serving.url, "HF_HOME": str(tmp_path / "home")}
    runs = ["--data", eyes, "--runs-dir", tmp_path / "runs"]
    done = drkit("finetune", "--backbone", "hf-hub:some/eyes", *runs, **home | settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()
