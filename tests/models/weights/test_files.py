"""Read the tensors of files with other content, and refuse files with code."""

import os
import pickle
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from drkit.errors import InputError
from drkit.models.weights.files import read_tensors

TENSORS = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


class Spell(Bomb):
    """Creates a folder through a built-in function when it is unpickled."""

    def __reduce__(self) -> tuple:
        return eval, (f"__import__('os').mkdir({str(self.path)!r})",)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".bin", ".pth.tar", ".th", ""])
def test_a_pickle_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(TENSORS, path)
    assert _same(read_tensors(path), {"": TENSORS})


def test_safetensors_and_torchs_old_format_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.safetensors")
    save_file(TENSORS, tmp_path / "a.bin")
    torch.save(TENSORS, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert _same(read_tensors(tmp_path / "a.safetensors"), {"": TENSORS})
    assert _same(read_tensors(tmp_path / "a.bin"), {"": TENSORS})
    assert _same(read_tensors(tmp_path / "a.pth"), {"": TENSORS})


def test_tensors_are_found_at_any_depth_but_not_in_optimizers(tmp_path: Path) -> None:
    momenta = {"state": {0: {"exp_avg": torch.ones(3)}}}
    nested = {"epoch": 3, "checkpoint": {"model": TENSORS, "model_ema": TENSORS}, "optimizer": momenta}
    torch.save(nested, tmp_path / "a.pth")
    assert set(read_tensors(tmp_path / "a.pth")) == {"checkpoint.model", "checkpoint.model_ema"}


def test_harmless_objects_beside_tensors_are_ignored(tmp_path: Path) -> None:
    extras = {
        "args": Namespace(lr=0.1, out=Path("runs")),
        "best_kappa": np.float64(0.8),
        "count": np.int64(3),
        "losses": np.arange(4.0),
    }
    torch.save({"state_dict": TENSORS, **extras}, tmp_path / "a.pth")
    assert _same(read_tensors(tmp_path / "a.pth"), {"state_dict": TENSORS})


@pytest.mark.parametrize("is_zipped", [True, False])
@pytest.mark.parametrize(("kind", "name"), [(Bomb, r"(posix|nt)\.mkdir"), (Spell, r"(\w+\.)?eval")])
def test_code_is_refused_and_not_executed(tmp_path: Path, kind: type[Bomb], name: str, is_zipped: bool) -> None:
    trace = tmp_path / "trace"
    torch.save({"state_dict": TENSORS, "x": kind(trace)}, tmp_path / "a.pth", _use_new_zipfile_serialization=is_zipped)
    with pytest.raises(InputError, match=rf"contains a call of {name},.*nothing was executed.*state_dict\(\)"):
        read_tensors(tmp_path / "a.pth")
    assert not trace.exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert trace.exists()  # it would have


def test_a_plain_pickle_with_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "trace"), protocol=2))
    with pytest.raises(InputError, match=r"contains a call of|damaged"):
        read_tensors(tmp_path / "a.bin")
    assert not (tmp_path / "trace").exists()


def _itself() -> list:
    endless: list = []
    endless.append(endless)
    return endless


def _doubled(times: int) -> list:
    """A nested list of 2 to the power of `times` ones that consists of only `times` lists."""
    ones = [1]
    for _ in range(times):
        ones = [ones, ones]
    return ones


@pytest.mark.parametrize("nested", [_itself(), _doubled(40)], ids=["itself", "doubled"])
def test_endlessly_nested_lists_are_refused(tmp_path: Path, nested: list) -> None:
    torch.save({"state_dict": TENSORS, "x": nested}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth contains endlessly nested lists"):
        read_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("network", [nn.Sequential(nn.Linear(2, 2)), torchvision.models.squeezenet1_1()])
def test_a_pickled_network_is_refused(tmp_path: Path, network: nn.Module) -> None:
    torch.save(network, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a complete pickled network \(torch.*torch\.save\(model\.state_dict\(\)"):
        read_tensors(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "a.pt")
    with pytest.raises(InputError, match="TorchScript"):
        read_tensors(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty: download it again"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as written by Keras"),
        (b"PK\x03\x04", "a zip archive.*unpack it"),
        (b"\x1f\x8b\x08", "a gzip archive: unpack it"),
        (b"image,level\n", "expected a file written by torch.save.* or safetensors"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_in_other_formats_are_refused_with_their_format(
    tmp_path: Path, content: bytes, words: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_tensors(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    torch.save(TENSORS, path) if suffix == ".pth" else save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"damaged"):
        read_tensors(path)


@pytest.mark.parametrize("content", [torch.ones(2), {"epoch": 3}, [1, 2]])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match="contains no named tensors"):
        read_tensors(tmp_path / "a.pth")


def _same(actual: dict, expected: dict) -> bool:
    return actual.keys() == expected.keys() and all(
        actual[keys].keys() == expected[keys].keys()
        and all(torch.equal(actual[keys][name], expected[keys][name]) for name in expected[keys])
        for keys in expected
    )
