"""Records that were edited, cut or mixed up: every reader accepts them or refuses them in one line."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mutations import check_reader
from safetensors import safe_open
from safetensors.torch import save_file

from drkit.config.ensemble import EnsembleConfig
from drkit.config.preprocess import PreprocessConfig
from drkit.ensembling.blend import Vote
from drkit.ensembling.serialization import read_ensemble
from drkit.errors import DrkitError
from drkit.recipes.ensemble import run_ensemble
from drkit.recipes.preprocess import run_preprocess
from drkit.records.checkpoint import read_checkpoint
from drkit.records.manifest import read_ledger, read_manifest, read_plan
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run, networks_in, read_checksums, read_run_record


def test_a_runs_record(run_stem: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "small")
    original = json.loads(run_stem.with_suffix(".json").read_text())

    def read() -> None:
        networks_in(read_run_record(run))
        read_checksums(run.record)

    check_reader(run.record, original, read, run.record.write_text)


def test_a_checkpoints_header(run_stem: Path, tmp_path: Path) -> None:
    with safe_open(run_stem.with_suffix(".safetensors"), framework="pt") as file:
        original = json.loads(file.metadata()["drkit"])
        name = next(iter(file.keys()))
        tensors = {name: file.get_tensor(name)}
    path = tmp_path / "small.safetensors"
    check_reader(
        path, original, lambda: read_checkpoint(path), lambda text: save_file(tensors, path, metadata={"drkit": text})
    )


def test_the_metadata_of_predictions(run_stem: Path, tmp_path: Path) -> None:
    table = pq.read_table(run_stem.with_suffix(".parquet"))
    path = tmp_path / "small.parquet"

    def write(text: str) -> None:
        pq.write_table(table.replace_schema_metadata({b"drkit": text.encode()}), path)

    check_reader(path, json.loads(table.schema.metadata[b"drkit"]), lambda: read_predictions(path), write)


def test_the_records_of_preprocessing(eyes: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    run_preprocess(PreprocessConfig(out=made, steps="crop", data=[eyes], size=32, workers=1))
    path = made / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["photographs"] = manifest["photographs"][:1]
    check_reader(path, manifest, lambda: read_manifest(made), path.write_text)
    plan = {"made_by": "drkit preprocess", "schema_version": 1, "steps": ["crop"], "new_steps": [], "suffix": ".jpg"}
    plan |= {"labels_sha256": "ab", "inputs": {"1_l1": "cd"}}
    path = made / "plan.json"
    check_reader(path, plan, lambda: read_plan(made), path.write_text)
    path = made / "ledger.jsonl"
    check_reader(path, manifest["photographs"][0], lambda: read_ledger(made), lambda text: path.write_text(text + "\n"))
    path.write_text("{\n")
    with pytest.raises(DrkitError, match=r"ledger.jsonl is damaged: a line is not JSON"):
        read_ledger(made)


def test_an_ensembles_record(run_stem: Path, tmp_path: Path) -> None:
    predictions = run_stem.with_suffix(".parquet")
    out = tmp_path / "vote.parquet"
    run_ensemble([predictions], Vote(), EnsembleConfig(out=out, fuse="patient"))
    path = tmp_path / "vote.json"
    check_reader(path, json.loads(path.read_text()), lambda: read_ensemble(path), path.write_text)
