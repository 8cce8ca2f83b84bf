"""Checkpoints: equal bytes for equal weights, and foreign or damaged files are refused."""

import pickle
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from drkit.errors import InputError
from drkit.records.checkpoint import Architecture, CheckpointHeader, read_checkpoint, write_checkpoint
from drkit.records.provenance import METADATA_KEY, canonical_json

HEADER = CheckpointHeader(
    architecture=Architecture(
        backbone="resnet18",
        side=64,
        unit="eye",
        num_slots=2,
        fusion="concat",
        unshared=True,
        attention="",
        loss="regression",
        auxiliary=False,
        dropout=0.1,
    ),
    bank_side=74,
    steps=("circle-crop", "clahe:clip=2:tiles=8"),
    mean=(0.1, 0.2, 0.3),
    std=(0.4, 0.5, 0.6),
    sigma=0.7,
    decision="cut_points",
    cut_points=(0.4, 1.5, 2.5, 3.5),
    target="eye",
    fold=1,
    folds=3,
    seed=7,
    tta=True,
    chosen_on="last",
    epoch=3,
    labels_sha256="ab",
    provenance={"seed": 0, "z": [1, 2], "a": None},
)


def _tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(3, 4, generator=generator) for name in "cab"}


def test_writing_and_reading_changes_nothing_and_is_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.safetensors" for number in range(5)]
    for path in paths:
        write_checkpoint(path, _tensors(), HEADER, force=False)
    assert len({path.read_bytes() for path in paths}) == 1
    tensors, header = read_checkpoint(paths[0])
    assert header == HEADER
    assert all(torch.equal(tensors[name], tensor) for name, tensor in _tensors().items())


def test_a_header_without_round_discs_means_no(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    record = {key: value for key, value in asdict(HEADER).items() if key != "round_discs"}
    save_file(_tensors(), path, metadata={METADATA_KEY: canonical_json(record)})
    assert read_checkpoint(path)[1] == HEADER
    write_checkpoint(path, _tensors(), replace(HEADER, round_discs=True), force=True)
    assert read_checkpoint(path)[1].round_discs


def test_a_checkpoint_of_an_older_version_has_no_seed(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    record = {key: value for key, value in asdict(HEADER).items() if key != "seed"}
    save_file(_tensors(), path, metadata={METADATA_KEY: canonical_json(record)})
    assert read_checkpoint(path)[1] == replace(HEADER, seed=None)


def test_checkpoints_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(path)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(path)
    save_file(_tensors(), path)
    with pytest.raises(InputError, match="not drkit's checkpoint"):
        read_checkpoint(path)
    save_file(_tensors(), path, metadata={"drkit": '{"schema_version": 1}'})
    with pytest.raises(InputError, match=r"its header is damaged: .* missing required field"):
        read_checkpoint(path)


def test_pickled_code_is_not_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "x.safetensors"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(path)
    assert not (tmp_path / "executed").exists()
