"""Pickled code in any file that drkit loads is never executed."""

import gzip
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from drkit.data.augmentation import load_policy
from drkit.data.cache import open_cached
from drkit.ensembling.boost import Trees
from drkit.ensembling.combiner import Features
from drkit.ensembling.serialization import read_ensemble
from drkit.errors import DrkitError
from drkit.images.files import read_photograph
from drkit.models.weights.files import read_tensors
from drkit.records.checkpoint import read_checkpoint
from drkit.records.explanations import read_explanations
from drkit.records.history import read_history
from drkit.records.layouts.cells import read_cells
from drkit.records.manifest import read_ledger, read_manifest, read_plan
from drkit.records.predictions import read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, read_checksums, read_run_record
from drkit.records.seen import read_seen
from drkit.records.submission import read_sample
from drkit.training.resume import load_state


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.trace),)


READERS: dict[str, Callable[[Path], object]] = {
    "a.pth": read_tensors,
    "a.pt": read_tensors,
    "a.safetensors": read_tensors,
    "b.safetensors": read_checkpoint,
    "a.resume.pt": lambda path: load_state(path, {}),
    "a.parquet": read_predictions,
    "seen.parquet": read_seen,
    "a.json": read_ensemble,
    "r.json": lambda path: read_run_record(Run.of(path)),
    "c.json": read_checksums,
    "a.history.csv": read_history,
    "policy.toml": lambda path: load_policy(str(path)),
    "labels.csv": read_cells,
    "labels.xlsx": read_cells,
    "sample_submission.csv": read_sample,
    "explained/manifest.json": lambda path: read_explanations(path.parent),
    "manifest.json": lambda path: read_manifest(path.parent),
    "plan.json": lambda path: read_plan(path.parent),
    "ledger.jsonl": lambda path: read_ledger(path.parent),
    "a.png": read_photograph,
    "a.tif": read_photograph,
    "a.dcm": read_photograph,
}
WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "bare": bytes,
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zip": lambda content: _zipped({"archive/data.pkl": content, "archive/version": b"3\n"}),
}


def _zipped(parts: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", READERS)
def test_a_pickle_in_the_place_of_a_file(name: str, protocol: int, wrapping: str, tmp_path: Path, trace: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(WRAPPINGS[wrapping](pickle.dumps(Planted(trace), protocol)))
    refusals = []
    try:
        READERS[name](path)  # text is taken for text
    except DrkitError as refusal:
        refusals.append(str(refusal))
    assert [sentence for sentence in refusals if "\n" in sentence] == []
    assert not trace.exists()


def test_the_planted_code_would_run(trace: Path) -> None:
    pickle.loads(pickle.dumps(Planted(trace)))
    assert trace.is_dir()


@pytest.mark.parametrize("key", ["learner", "best", "history", "identity"])
def test_a_state_of_a_training(key: str, tmp_path: Path, trace: Path) -> None:
    state = {"learner": {}, "best": {}, "best_epoch": 0, "history": [], "identity": {}, "schema_version": 1}
    torch.save(state | {key: Planted(trace)}, tmp_path / "a.resume.pt")
    with pytest.raises(DrkitError, match="is not a drkit resume checkpoint"):
        load_state(tmp_path / "a.resume.pt", {})
    assert not trace.exists()


def test_a_header_of_weights(tmp_path: Path, trace: Path) -> None:
    plant = pickle.dumps(Planted(trace), 0).decode()
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors", metadata={"drkit": plant})
    with pytest.raises(DrkitError, match="its header is not what drkit writes"):
        read_checkpoint(tmp_path / "a.safetensors")
    assert not trace.exists()


@pytest.mark.parametrize("key", [b"drkit", b"pandas", b"ARROW:schema", b"PKL"])
def test_metadata_of_predictions(key: bytes, run_stem: Path, tmp_path: Path, trace: Path) -> None:
    table = pq.read_table(run_stem.with_suffix(".parquet"))
    metadata = dict(table.schema.metadata) | {key: pickle.dumps(Planted(trace))}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
    words = {b"drkit": "metadata 'drkit' is not what drkit writes", b"ARROW:schema": "is not a parquet file"}
    with pytest.raises(DrkitError, match=words[key]) if key in words else nullcontext():
        read_predictions(tmp_path / "a.parquet")
    assert not trace.exists()


def test_a_column_of_pickles(run_stem: Path, tmp_path: Path, trace: Path) -> None:
    table = pq.read_table(run_stem.with_suffix(".parquet"))
    column = pa.array([pickle.dumps(Planted(trace))] * len(table))
    for changed in (table.append_column("x", column), table.set_column(0, "image_id", column)):
        pq.write_table(changed, tmp_path / "a.parquet")
        with pytest.raises(DrkitError, match="column"):
            read_predictions(tmp_path / "a.parquet")
    assert not trace.exists()


def test_a_cached_array_is_rebuilt(tmp_path: Path, trace: Path) -> None:
    array = tmp_path / f"{'a' * 32}.npy"
    np.save(array, np.array([Planted(trace)], dtype=object), allow_pickle=True)
    array.with_suffix(".json").write_text(json.dumps({"array_sha256": sha256_file(array), "notes": []}))
    made, _ = open_cached(tmp_path, "a" * 32, (2,), lambda fresh: (fresh.fill(7), ("made",))[1])
    assert made.tolist() == [7, 7]
    assert not trace.exists()


def test_a_model_of_lightgbm(trace: Path) -> None:
    model = Trees(pickle.dumps(Planted(trace), 0).decode(), (), 1.0)
    features = Features(
        scores=np.ones((4, 1)), probabilities=np.full((4, 1, 5), 0.2), grades=np.ones((4, 1), int), embeddings=()
    )
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever LightGBM says of it
        model.predict(features)
    assert not trace.exists()
