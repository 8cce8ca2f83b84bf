"""A run is packed for the package: small, and without paths of the machine."""

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from drkit.errors import InputError, OutputExistsError
from drkit.records.layouts import read_dataset
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, read_run_record
from drkit.records.seen import read_seen

ROOT = Path(__file__).resolve().parents[2]


def test_weights_become_float16_and_single_values_stay(packed: Run, trained: Run) -> None:
    own, exact = load_file(packed.checkpoint()), load_file(trained.checkpoint())
    assert own.keys() == exact.keys()
    for name, tensor in own.items():
        assert tensor.dtype == (torch.float16 if tensor.ndim > 1 else exact[name].dtype)
        assert torch.allclose(tensor.float(), exact[name].float(), rtol=1e-3, atol=1e-6)


def test_the_record_names_no_folder_of_the_machine(packed: Run, known_eyes: Path) -> None:
    content = packed.record.read_text()
    assert str(known_eyes.parent) not in content
    record = json.loads(content)
    assert (record["name"], record["data"], record["descends_from"]) == ("fundus", ["known-eyes"], ["fundus"])
    assert record["files"] == {path.name: sha256_file(path) for path in (packed.checkpoint(), packed.seen_photographs)}


def test_training_photographs_and_those_that_selected_the_epoch_count_as_seen(packed: Run, known_eyes: Path) -> None:
    labels = read_dataset(known_eyes).of_split("train", "val")
    seen, record = read_seen(packed.seen_photographs), read_run_record(packed)
    assert set(seen.sha256) == set(map(sha256_file, labels.paths())) == set(record["trained_on_photographs"])
    assert set(seen.names) == set(labels.rows["image_id"])
    assert set(seen.datasets) == {"known-eyes"}
    assert record["photographs_by_grade"] == {"known-eyes": list(labels.grade_counts("eye"))}


def test_an_existing_packaged_run_is_kept_and_other_data_sets_are_refused(
    pack_run: ModuleType, trained: Run, packed: Run, other_eyes: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputExistsError):
        pack_run.pack(trained, [], packed, force=False)
    with pytest.raises(InputError, match=r"photographs that .* was trained on are not in .*other-eyes"):
        pack_run.pack(trained, [other_eyes], Run(tmp_path / "fundus"), force=False)


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("--data=/data/APTOS2019", "--data=APTOS2019"), ("/data/IDRiD", "IDRiD"), ("--lr=0.1", "--lr=0.1"),
        ("imagenet", "imagenet"), ("runs/a.safetensors", "a.safetensors"),
    ],
)  # fmt: skip
def test_folders_are_taken_out_of_a_command(pack_run: ModuleType, word: str, kept: str) -> None:
    assert pack_run._without_folder(word) == kept


def test_a_wheel_holds_the_packaged_run(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel")
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE", "drkit/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    files = {f"drkit/models/fundus/fundus.{suffix}" for suffix in ("json", "safetensors", "seen.parquet")}
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listed = {file.distribution_path for file in wheel.WheelBuilder(str(tmp_path)).recurse_included_files()}
    assert files | {"drkit/__init__.py"} == listed


def test_the_packaged_run_is_whole_where_it_is_present() -> None:
    run = Run(ROOT / "drkit/models/fundus/fundus")
    if not run.record.is_file():
        pytest.skip("no packaged network fundus is present in this checkout")
    record, seen = read_run_record(run), read_seen(run.seen_photographs)
    assert record["files"] == {path.name: sha256_file(path) for path in (run.checkpoint(), run.seen_photographs)}
    assert set(seen.sha256) == set(record["trained_on_photographs"])
    assert sum(map(sum, record["photographs_by_grade"].values())) == len(seen)
    assert not any(word in run.record.read_text() for word in ("/home/", "/root/", "/work/", "/tmp/"))
    assert run.checkpoint().stat().st_size < 9e6
