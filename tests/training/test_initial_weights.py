"""Starting from weights: the settings taken from a run, and the photographs that it must not have seen."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reporters import Recorder

from drkit import progress
from drkit.config.preprocess import PreprocessConfig
from drkit.config.synth import SynthConfig
from drkit.config.training import TrainingConfig
from drkit.errors import InputError, LeakageError
from drkit.models.backbones import build_backbone
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.recipes.preprocess import run_preprocess
from drkit.recipes.synth import run_synth
from drkit.records.atomic import write_bytes
from drkit.records.checkpoint import read_checkpoint, write_checkpoint
from drkit.records.layouts import read_dataset, read_datasets
from drkit.records.predictions import read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import UNKNOWN_PHOTOGRAPHS, Run, read_run_record, write_run_record
from drkit.training.initial_weights import find_initial_weights
from drkit.training.plan import TrainingPlan
from drkit.training.planning import plan_training
from drkit.training.setup import set_up


@pytest.fixture(scope="module")
def second_eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eyes of other patients."""
    out = tmp_path_factory.mktemp("second") / "eyes"
    run_synth(SynthConfig(out=out, patients=8, size=64, seed=11))
    return out


@pytest.fixture(scope="module")
def stage_one(small_config: TrainingConfig, second_eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the other patients with another side and normalisation."""
    options = RunOptions(tmp_path_factory.mktemp("runs"), "one")
    run = Run(run_finetune(replace(small_config, data=[second_eyes], size=48, epochs=1, choose="last"), options).run)
    tensors, header = read_checkpoint(run.checkpoint())
    steps = ("circle-crop", "clahe:clip=2:tiles=8")
    marked = replace(header, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), steps=steps)
    write_checkpoint(run.checkpoint(), tensors, marked, force=True)
    record = {key: value for key, value in read_run_record(run).items() if key != "files"}  # hashed again
    write_run_record(run, record, force=True)
    return run.checkpoint()


@pytest.fixture(scope="module")
def second_stage(small_config: TrainingConfig, stage_one: Path) -> TrainingConfig:
    return replace(small_config, weights=str(stage_one), backbone=None, size=None, epochs=1, choose="last")


def _plan(config: TrainingConfig) -> TrainingPlan:
    return plan_training(read_datasets(config.data), config)


def test_a_run_provides_backbone_side_normalisation_and_preprocessing(second_stage: TrainingConfig) -> None:
    plan = _plan(second_stage)
    assert plan.initial_weights.backbone == "test_efficientnet"
    assert (plan.input_format.side, plan.input_format.mean, plan.input_format.std) == (
        48,
        (0.1, 0.2, 0.3),
        (0.4, 0.5, 0.6),
    )
    assert plan.steps == plan.pending_steps == ("circle-crop", "clahe:clip=2:tiles=8")
    assert not plan.initial_weights.is_pretrained
    larger = _plan(replace(second_stage, size=64))
    assert (larger.input_format.side, larger.input_format.mean) == (64, (0.1, 0.2, 0.3))
    assert larger.identity() != plan.identity()


def test_discs_are_made_round_as_in_the_run_unless_the_option_is_given(
    second_stage: TrainingConfig, small_config: TrainingConfig, stage_one: Path, tmp_path: Path
) -> None:
    tensors, header = read_checkpoint(stage_one)
    assert not _plan(small_config).round_discs
    assert _plan(replace(small_config, round_discs=True)).round_discs
    assert not _plan(second_stage).round_discs
    rounding = tmp_path / "rounding.safetensors"
    write_checkpoint(rounding, tensors, replace(header, round_discs=True), force=True)
    child = replace(second_stage, weights=str(rounding))
    assert _plan(child).round_discs
    assert not _plan(replace(child, round_discs=False)).round_discs
    assert _plan(child).identity() != _plan(replace(child, round_discs=False)).identity()


def test_the_runs_backbone_is_where_the_training_starts(second_stage: TrainingConfig, stage_one: Path) -> None:
    setup = set_up(_plan(second_stage))
    tensors, _ = read_checkpoint(stage_one)
    loaded = setup.grader.backbone.state_dict()
    assert loaded
    assert all(torch.equal(tensor, tensors[f"backbone.{name}"]) for name, tensor in loaded.items())
    assert not torch.equal(setup.grader.head.output.weight, tensors["head.output.weight"])


def test_steps_and_photographs_of_the_first_stage_are_in_the_new_run(
    second_stage: TrainingConfig, stage_one: Path, eyes: Path, second_eyes: Path, tmp_path: Path
) -> None:
    reported = Recorder()
    with progress.reporting_to(reported):
        run = Run(run_finetune(second_stage, RunOptions(tmp_path, "two")).run)
    assert reported.warnings == []
    _, header = read_checkpoint(run.checkpoint())
    assert (header.architecture.side, header.mean, header.steps[0]) == (48, (0.1, 0.2, 0.3), "circle-crop")
    assert header.provenance["weights"] == sha256_file(stage_one)
    seen = {sha256_file(path) for data in (eyes, second_eyes) for path in read_dataset(data).of_split("train").paths()}
    assert set(read_run_record(run)["trained_on_photographs"]) == seen


def test_a_preprocessed_data_set_is_not_preprocessed_again(
    second_stage: TrainingConfig, small_config: TrainingConfig, stage_one: Path, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    steps = "circle-crop,clahe:clip=2:tiles=8"
    run_preprocess(PreprocessConfig(out=done, steps=steps, data=[small_config.data[0]], size=64, workers=1))
    tensors, header = read_checkpoint(stage_one)
    taken = _plan(replace(small_config, data=[done])).steps
    assert taken
    write_checkpoint(tmp_path / "one.safetensors", tensors, replace(header, steps=taken), force=True)
    plan = _plan(replace(second_stage, data=[done], weights=str(tmp_path / "one.safetensors")))
    assert (plan.steps, plan.pending_steps) == (taken, ())


def test_stages_with_different_preprocessing_are_refused_with_the_commands_to_use(
    small_config: TrainingConfig, second_eyes: Path, tmp_path: Path
) -> None:
    """The commands in the message, run unchanged, make the second stage possible."""
    done = tmp_path / "done"
    run_preprocess(PreprocessConfig(out=done, steps="circle-crop", data=[small_config.data[0]], size=64, workers=1))
    first = run_finetune(replace(small_config, data=(second_eyes,), epochs=1), RunOptions(tmp_path, "one")).run
    config = replace(small_config, data=(done,), weights=str(first), backbone=None, size=None, epochs=1)
    with pytest.raises(InputError, match="repeat the first stage with") as refused:
        plan_finetune(config, RunOptions(tmp_path, "two"))
    prepare, train = re.findall(r"`([^`]+)`", str(refused.value))
    assert prepare == f"drkit preprocess eyes-prepared --data {second_eyes} --steps circle-crop:margin=0,resize:size=64"
    assert train == "drkit finetune --data=eyes-prepared --name one-prepared"
    record = read_run_record(Run(first))
    made = {**record["made"], "command": f"drkit finetune --data {second_eyes} --epochs 1 --name=one --lr 1e-3 --force"}
    write_bytes(Run(first).record, json.dumps({**record, "made": made}).encode(), force=True)
    with pytest.raises(InputError, match=r"`drkit finetune --epochs 1 --lr 1e-3 --data=eyes-prepared --name one-prep"):
        plan_finetune(config, RunOptions(tmp_path, "two"))


# Photographs that the weights were trained on.


def _moved(data: Path, target: Path, *, train: str) -> Path:
    """The same photographs; split `train` becomes train, and train becomes `train`."""
    shutil.copytree(data, target)
    labels = read_dataset(target)
    names = {"train": train, train: "train"}
    rows = labels.rows.copy()
    rows["split"] = rows["split"].map(lambda split: names.get(split, split))
    shutil.rmtree(target)
    from drkit.records.labels import write_labels

    target.mkdir()
    for path in labels.rows["path"]:
        source = data / Path(path).relative_to(labels.root)
        shutil.copy(source, target / source.name)
    rows["path"] = [str(target / Path(path).name) for path in rows["path"]]
    write_labels(replace(labels, rows=rows), target / "labels.csv", force=True)
    return target


@pytest.fixture(scope="module")
def swapped(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared eyes with train and val exchanged."""
    return _moved(eyes, tmp_path_factory.mktemp("swapped") / "eyes", train="val")


def test_weights_that_saw_the_photographs_to_be_scored_are_refused(
    run_stem: Path, small_config: TrainingConfig, swapped: Path, tmp_path: Path
) -> None:
    config = replace(small_config, data=[swapped], weights=str(run_stem), epochs=1)
    with pytest.raises(
        LeakageError, match="the weights were trained on 32 photographs that this training would be scored"
    ):
        run_finetune(config, RunOptions(tmp_path, "a"))
    assert not list(tmp_path.iterdir())


def test_with_allow_seen_they_are_marked_and_not_scored(
    run_stem: Path, small_config: TrainingConfig, swapped: Path, tmp_path: Path
) -> None:
    config = replace(small_config, data=[swapped], weights=str(run_stem), epochs=1, allow_seen=True)
    reported = Recorder()
    with progress.reporting_to(reported):
        report = run_finetune(config, RunOptions(tmp_path, "a"))
    assert "32 photographs to be scored are also trained on" in reported.warnings[0]
    assert report.agreements == {}
    predictions = read_predictions(report.run)
    assert predictions.rows["image_id"][predictions.leaked_rows()].size == 32
    assert not predictions.of_split("test").leaked_rows().any()


def test_the_initial_weights_of_the_initial_weights_count(
    run_stem: Path, second_stage: TrainingConfig, second_eyes: Path, swapped: Path, tmp_path: Path
) -> None:
    """A run on other patients is not clean if it started from a run on these patients."""
    middle = replace(second_stage, data=[second_eyes], weights=str(run_stem))
    child = run_finetune(middle, RunOptions(tmp_path, "middle")).run
    with pytest.raises(LeakageError, match="the weights were trained on 32 photographs"):
        run_finetune(replace(second_stage, data=[swapped], weights=str(child)), RunOptions(tmp_path, "last"))


def test_with_folds_the_training_photographs_are_scored_too(
    run_stem: Path, small_config: TrainingConfig, tmp_path: Path
) -> None:
    config = replace(small_config, weights=str(run_stem), folds=2, epochs=1)
    with pytest.raises(LeakageError, match="trained on 32 photographs"):
        run_finetune(config, RunOptions(tmp_path, "a"))


def test_continuing_on_the_same_training_photographs_is_no_leak(
    run_stem: Path, small_config: TrainingConfig, tmp_path: Path
) -> None:
    report = run_finetune(replace(small_config, weights=str(run_stem), epochs=1), RunOptions(tmp_path, "a"))
    assert not read_predictions(report.run).leaked_rows().any()
    assert report.agreements["val"].cases == 8


def test_an_epoch_of_the_initial_weights_that_was_selected_on_val_is_reported(
    run_stem: Path, small_config: TrainingConfig, eyes: Path, tmp_path: Path
) -> None:
    """`--choose last` does not change that val selected the epoch of the initial weights."""
    chosen_by = {sha256_file(path) for path in read_dataset(eyes).of_split("val").paths()}
    assert set(read_run_record(Run(run_stem))["chosen_by_photographs"]) == chosen_by
    reported = Recorder()
    config = replace(small_config, weights=str(run_stem), epochs=1, choose="last")
    with progress.reporting_to(reported):
        report = run_finetune(config, RunOptions(tmp_path, "a"))
    assert "8 photographs to be scored selected the epoch of the initial weights" in reported.warnings[0]
    assert (report.chosen_on, report.weights_chosen_on) == ("last", "val")
    assert any(
        "val (optimistic: it selected the epoch of the initial weights), " in str(line) for line in report.render()
    )
    assert read_predictions(report.run).meta.chosen_on == "val"
    assert read_checkpoint(Run(report.run).checkpoint())[1].chosen_on == "val"
    assert set(read_run_record(Run(report.run))["chosen_by_photographs"]) == chosen_by


# Weights of others.


def _template(path: Path, *, seeds: tuple[int, ...]) -> Path:
    """A file as the course's script saves it: `backbone.*`, or `backbone1.*` and `backbone2.*`, and a head."""
    tensors = {"fc.0.weight": torch.zeros(4, 4)}
    for number, seed in enumerate(seeds, start=1):
        torch.manual_seed(seed)
        prefix = "backbone" if len(seeds) == 1 else f"backbone{number}"
        network = build_backbone("test_efficientnet", 64, pretrained=False).network
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(tensors, path)
    return path


def test_foreign_weights_may_have_seen_anything(small_config: TrainingConfig, tmp_path: Path) -> None:
    path = _template(tmp_path / "model.pth", seeds=(1,))
    run = run_finetune(replace(small_config, weights=str(path), epochs=1), RunOptions(tmp_path / "runs", "a")).run
    assert UNKNOWN_PHOTOGRAPHS in read_run_record(Run(run))["trained_on_photographs"]
    assert not read_predictions(run).leaked_rows().any()


def test_a_checkpoint_without_its_record_may_have_seen_anything(run_stem: Path, tmp_path: Path) -> None:
    alone = tmp_path / "small.safetensors"
    alone.write_bytes(Run(run_stem).checkpoint().read_bytes())
    weights = find_initial_weights(str(alone), None)
    assert weights.seen == {UNKNOWN_PHOTOGRAPHS}
    assert weights.backbone == "test_efficientnet"
    assert UNKNOWN_PHOTOGRAPHS not in find_initial_weights(str(run_stem), None).seen


def test_a_checkpoint_that_does_not_match_its_record_is_refused(run_stem: Path, tmp_path: Path) -> None:
    """Otherwise the photographs of another checkpoint would count as its training photographs."""
    run = Run(tmp_path / run_stem.name)
    for path in Run(run_stem).outputs():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors, header = read_checkpoint(run.checkpoint())
    tensors["head.output.bias"] += 1
    write_checkpoint(run.checkpoint(), tensors, header, force=True)
    with pytest.raises(InputError, match="does not match its SHA-256"):
        find_initial_weights(str(run.stem), None)


def test_the_dual_template_fills_both_backbones_in_their_order(small_config: TrainingConfig, tmp_path: Path) -> None:
    path = _template(tmp_path / "dual.pth", seeds=(1, 2))
    config = replace(small_config, weights=str(path), unit="eye", unshared=True, fusion="concat")
    grader = set_up(_plan(config)).grader
    tensors = torch.load(path, weights_only=True)
    assert len(grader.others) == 1
    for backbone, prefix in ((grader.backbone, "backbone1"), (grader.others[0], "backbone2")):
        name = "conv_stem.weight"
        assert torch.equal(backbone.network.state_dict()[name], tensors[f"{prefix}.{name}"])


def test_an_unshared_run_initialises_each_backbone_from_its_own(
    small_config: TrainingConfig, second_eyes: Path, tmp_path: Path
) -> None:
    config = replace(
        small_config, data=[second_eyes], unit="eye", unshared=True, fusion="concat", epochs=1, choose="last"
    )
    run = run_finetune(config, RunOptions(tmp_path, "dual")).run
    tensors, _ = read_checkpoint(Run(run).checkpoint())
    grader = set_up(_plan(replace(config, data=small_config.data, weights=str(run)))).grader
    for name in ("backbone.network.conv_stem.weight", "others.0.network.conv_stem.weight"):
        assert torch.equal(grader.state_dict()[name], tensors[name])
    assert not torch.equal(*(tensors[f"{start}.network.conv_stem.weight"] for start in ("backbone", "others.0")))


def test_a_run_of_another_backbone_is_refused(run_stem: Path, small_config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(small_config, backbone="test_resnet", weights=str(run_stem))
    with pytest.raises(InputError):
        run_finetune(config, RunOptions(tmp_path, "a"))
    assert not list(tmp_path.iterdir())


def test_a_dry_run_names_the_backbone_of_the_weights(second_stage: TrainingConfig, tmp_path: Path) -> None:
    report = plan_finetune(second_stage, RunOptions(tmp_path))
    assert report.options["backbone"] == "test_efficientnet"
    assert report.options["size"] == 48
