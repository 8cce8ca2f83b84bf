"""Which file of weights is meant, what is read from it, and that nothing in it is run."""

import json
import os
import pickle
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from drkit.errors import InputError
from drkit.models.weights import read_foreign
from drkit.models.weights.files import find_in_repository, find_weights, read_tensors, run_of, sha256_weights

COURSE = [f"pretrained/{name}.pth" for name in ("resnet18", "resnet34", "vgg16", "efficientnet_b0", "densenet121")]


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def _finish(stem: Path, folds: int, seeds: tuple[int, ...] = ()) -> None:
    record = {"schema_version": 1, "trained_on_photographs": [], "folds": folds, "seeds": seeds}
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(record))


@pytest.mark.parametrize("backbone", ["resnet18", "resnet34", "vgg16", "efficientnet_b0", "densenet121"])
def test_the_courses_folder_gives_the_backbones_file(tmp_path: Path, backbone: str) -> None:
    folder = _touch(tmp_path / "pretrained_DR_resize", *COURSE)
    assert find_weights(folder, backbone) == folder / f"pretrained/{backbone}.pth"
    assert find_weights(folder / "pretrained", backbone).name == f"{backbone}.pth"


@pytest.mark.parametrize(
    ("backbone", "files", "chosen"),
    [
        ("mobilenetv2_100", ["mobilenet_v2-b0353104.pth", "resnet18.pth"], "mobilenet_v2-b0353104.pth"),
        ("vgg16", ["vgg16_bn-6c64b313.pth", "vgg16-397923af.pth"], "vgg16-397923af.pth"),
        ("vgg16_bn", ["vgg16_bn-6c64b313.pth", "vgg16-397923af.pth"], "vgg16_bn-6c64b313.pth"),
        ("resnet18", ["resnet18.pth", "resnet18_aptos.pth"], "resnet18.pth"),
        ("resnet18", ["best-ResNet18-DR.ckpt", "resnet180.pth"], "best-ResNet18-DR.ckpt"),
        ("resnet18", ["resnet18.safetensors", "resnet18.txt", "._resnet18.pth"], "resnet18.safetensors"),
    ],
)
def test_names_in_a_folder_are_read_whole(tmp_path: Path, backbone: str, files: list[str], chosen: str) -> None:
    assert find_weights(_touch(tmp_path, *files), backbone).name == chosen


def test_none_or_several_in_a_folder_are_listed(tmp_path: Path) -> None:
    folder = _touch(tmp_path, *COURSE)
    with pytest.raises(InputError, match=r"no weights of resnet50: there is pretrained/densenet121\.pth, .*name one"):
        find_weights(folder, "resnet50")
    _touch(tmp_path, "resnet18.pth")
    with pytest.raises(InputError, match=r"several weights of resnet18: pretrained/resnet18\.pth, resnet18\.pth; name"):
        find_weights(folder, "resnet18")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no weights: \.pth"):
        find_weights(tmp_path / "empty", "resnet18")


def test_a_missing_file_names_what_is_there(tmp_path: Path) -> None:
    _touch(tmp_path, "resnet18.pth")
    with pytest.raises(InputError, match=r"resnet81\.pth does not exist.*there is resnet18\.pth"):
        find_weights(tmp_path / "resnet81.pth", "resnet18")


@pytest.mark.parametrize("name", ["model_best.pth.tar", "weights.th", "learner.pkl", "best", "resnet18.onnx"])
def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path: Path, name: str) -> None:
    """What is in it decides, when it is read."""
    assert find_weights(_touch(tmp_path, name) / name, "resnet18") == tmp_path / name


@pytest.mark.parametrize("ending", ["", ".json", ".parquet", ".history.csv", ".safetensors"])
def test_a_run_is_named_by_its_stem_or_any_of_its_files(tmp_path: Path, ending: str) -> None:
    _touch(tmp_path, "stage1.safetensors", "stage1.parquet", "stage1.history.csv")
    _finish(tmp_path / "stage1", 0)
    assert find_weights(tmp_path / f"stage1{ending}", "resnet18") == tmp_path / "stage1.safetensors"


@pytest.mark.parametrize("ending", ["", ".json", ".parquet", ".safetensors"])
def test_a_run_with_folds_is_named_by_one_of_them(tmp_path: Path, ending: str) -> None:
    _touch(tmp_path, "cv.fold0.safetensors", "cv.fold1.safetensors", "cv.parquet")
    _finish(tmp_path / "cv", 2)
    with pytest.raises(InputError, match=r"a run of 2 networks.*cv\.fold0\.safetensors, .*cv\.fold1\.safetensors"):
        find_weights(tmp_path / f"cv{ending}", "resnet18")
    assert find_weights(tmp_path / "cv.fold1.safetensors", "resnet18").name == "cv.fold1.safetensors"
    run = run_of(tmp_path / "cv.fold1.safetensors")
    assert run is not None
    assert run.stem == tmp_path / "cv"


def test_a_run_with_seeds_is_named_by_one_of_them(tmp_path: Path) -> None:
    _touch(tmp_path, "s.seed0.safetensors", "s.seed1.safetensors", "s.parquet")
    _finish(tmp_path / "s", 0, (0, 1))
    with pytest.raises(InputError, match=r"a run of 2 networks.*s\.seed0\.safetensors, .*s\.seed1\.safetensors"):
        find_weights(tmp_path / "s", "resnet18")
    assert find_weights(tmp_path / "s.seed1.safetensors", "resnet18").name == "s.seed1.safetensors"
    run = run_of(tmp_path / "s.seed1.safetensors")
    assert run is not None
    assert run.stem == tmp_path / "s"


@pytest.mark.parametrize("ending", ["", ".resume.pt"])
def test_an_unfinished_run_is_refused(tmp_path: Path, ending: str) -> None:
    _touch(tmp_path, "half.resume.pt")
    with pytest.raises(InputError, match="is unfinished"):
        find_weights(tmp_path / f"half{ending}", "resnet18")


def test_a_run_whose_weights_are_gone_is_refused(tmp_path: Path) -> None:
    _finish(tmp_path / "lost", 0)
    with pytest.raises(InputError, match=r"lost\.safetensors does not exist"):
        find_weights(tmp_path / "lost", "resnet18")


def test_a_checkpoint_without_its_record_belongs_to_no_known_run(tmp_path: Path) -> None:
    assert run_of(_touch(tmp_path, "a.safetensors") / "a.safetensors") is None


# In a repository.


class Shelf:
    """A repository of empty files, some of which were fetched."""

    def __init__(self, *files: str, cached: tuple[str, ...] = ()) -> None:
        self.names, self.held, self.is_asked = files, cached, False

    def __str__(self) -> str:
        return "hf-hub:some/eyes"

    def files(self) -> tuple[str, ...]:
        self.is_asked = True
        return self.names

    def cached(self, file: str) -> Path | None:
        return Path(file) if file in self.held else None

    def fetch(self, file: str) -> Path:
        return Path(file)

    def address(self, file: str) -> str:
        return f"{self}:{file}"


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin", "extra.pth"], "model.safetensors"),
        (["config.json", "pytorch_model.bin", "training_args.bin", "optimizer.pt"], "pytorch_model.bin"),
        (["README.md", "RETFound_mae_natureCFP.pth"], "RETFound_mae_natureCFP.pth"),
        (["weights/best.ckpt", "rng_state.pth", "scheduler.pt"], "weights/best.ckpt"),
        (["resnet18.pth", "resnet34.pth", "notes.txt"], "resnet18.pth"),
        (["model_best.pth.tar", "config.yaml"], "model_best.pth.tar"),
    ],
)
def test_the_weights_of_a_repository_are_timms_or_the_only_ones_or_the_backbones(files: list[str], chosen: str) -> None:
    assert find_in_repository(Shelf(*files), "", "resnet18:drop_path_rate=0.1") == chosen


def test_what_is_named_or_cached_is_taken_without_asking() -> None:
    shelf = Shelf("a.pth", "b.pth", cached=("a.pth", "model.safetensors"))
    assert find_in_repository(shelf, "a.pth", "resnet18") == "a.pth"
    assert find_in_repository(shelf, "", "resnet18") == "model.safetensors"
    assert not shelf.is_asked
    assert find_in_repository(shelf, "b.pth", "resnet18") == "b.pth"


def test_one_of_several_that_is_cached_is_no_choice() -> None:
    """Else the same command would take other weights where another was run before."""
    with pytest.raises(
        InputError, match=r"no weights of resnet18: there is a\.pth, b\.pth; name one as hf-hub:some/eyes"
    ):
        find_in_repository(Shelf("a.pth", "b.pth", cached=("a.pth",)), "", "resnet18")


@pytest.mark.parametrize(
    ("files", "file", "told"),
    [
        (["a.pth", "README.md"], "c.pth", r"hf-hub:some/eyes has no file 'c\.pth': there is a\.pth$"),
        (["README.md"], "c.pth", r"has no file 'c\.pth': there is README\.md"),
        (["README.md", "config.json"], "", r"holds no weights, \.pth.* there is README\.md, config\.json"),
        (["resnet18-a.pth", "resnet18-b.pth"], "", r"several weights of resnet18: resnet18-a\.pth, .*eyes:FILE"),
    ],
)
def test_none_or_several_in_a_repository_are_listed(files: list[str], file: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        find_in_repository(Shelf(*files), file, "resnet18")


TENSORS = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


class Spell(Bomb):
    """The same by a built-in function."""

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


def test_wrappers_are_opened_at_any_depth_and_optimizers_are_not(tmp_path: Path) -> None:
    momenta = {"state": {0: {"exp_avg": torch.ones(3)}}}
    nested = {"epoch": 3, "checkpoint": {"model": TENSORS, "model_ema": TENSORS}, "optimizer": momenta}
    torch.save(nested, tmp_path / "a.pth")
    assert set(read_tensors(tmp_path / "a.pth")) == {"checkpoint.model", "checkpoint.model_ema"}


def test_what_trainings_keep_beside_tensors_is_no_hindrance(tmp_path: Path) -> None:
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
    with pytest.raises(InputError, match=rf"asks to call {name},.*nothing was executed.*state_dict\(\)"):
        read_tensors(tmp_path / "a.pth")
    assert not trace.exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert trace.exists()  # it would have


def test_a_plain_pickle_with_code_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "trace"), protocol=2))
    with pytest.raises(InputError, match=r"asks to call|damaged"):
        read_tensors(tmp_path / "a.bin")
    assert not (tmp_path / "trace").exists()


def _itself() -> list:
    endless: list = []
    endless.append(endless)
    return endless


def _doubled(times: int) -> list:
    """A list of 2 to the power of `times` ones, in as many lists as `times`."""
    ones = [1]
    for _ in range(times):
        ones = [ones, ones]
    return ones


@pytest.mark.parametrize("nested", [_itself(), _doubled(40)], ids=["itself", "doubled"])
def test_lists_without_end_are_refused(tmp_path: Path, nested: list) -> None:
    torch.save({"state_dict": TENSORS, "x": nested}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth is nested without end"):
        read_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("network", [nn.Sequential(nn.Linear(2, 2)), torchvision.models.squeezenet1_1()])
def test_a_whole_network_is_refused(tmp_path: Path, network: nn.Module) -> None:
    torch.save(network, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a whole pickled network \(torch.*torch\.save\(model\.state_dict\(\)"):
        read_tensors(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_a_script_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "a.pt")
    with pytest.raises(InputError, match="TorchScript"):
        read_tensors(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty, download it again"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes"),
        (b"PK\x03\x04", "a zip archive.*unpack it"),
        (b"\x1f\x8b\x08", "a gzip archive: unpack it"),
        (b"image,level\n", "what torch.save.* or safetensors write was expected"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_weights_file_is_called_what_it_is(tmp_path: Path, content: bytes, words: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_tensors(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_half_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    torch.save(TENSORS, path) if suffix == ".pth" else save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"damaged|not a whole one"):
        read_tensors(path)


@pytest.mark.parametrize("content", [torch.ones(2), {"epoch": 3}, [1, 2]])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match="holds no named tensors"):
        read_tensors(tmp_path / "a.pth")


def _same(found: dict, wanted: dict) -> bool:
    return found.keys() == wanted.keys() and all(
        found[where].keys() == wanted[where].keys()
        and all(torch.equal(found[where][name], wanted[where][name]) for name in wanted[where])
        for where in wanted
    )


Hub = Any  # of conftest.py
NAME = "test_resnet"
SPLIT_TENSORS = timm.create_model(NAME).state_dict()
INDEX = "model.safetensors.index.json"
SHARDS = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A folder with one network in two shards."""
    names = sorted(SPLIT_TENSORS)
    weight_map = {name: SHARDS[position % 2] for position, name in enumerate(names)}
    for shard in SHARDS:
        save_file({name: SPLIT_TENSORS[name] for name in names if weight_map[name] == shard}, tmp_path / shard)
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return tmp_path


def test_an_index_a_folder_and_a_repository_give_the_whole_network(sharded: Path, hub: Hub) -> None:
    hub.add("some/large", {path.name: path.read_bytes() for path in sharded.iterdir()})
    hub.add("some/folders", {f"eyes/{path.name}": path.read_bytes() for path in sharded.iterdir()})
    places = [
        sharded / INDEX,
        sharded,
        f"local-dir:{sharded}",
        "hf-hub:some/large",
        f"hf-hub:some/folders:eyes/{INDEX}",
    ]
    found = [read_foreign(place, NAME) for place in places]
    for foreign in found:
        assert foreign.tensors.keys() == SPLIT_TENSORS.keys()
        assert all(torch.equal(foreign.tensors[name], tensor) for name, tensor in SPLIT_TENSORS.items())
    assert len({foreign.sha256 for foreign in found}) == 1
    asked = len(hub.asked)
    read_foreign("hf-hub:some/large", NAME)
    assert len(hub.asked) == asked  # all of it is in the cache


def test_the_hash_is_of_the_tensors(sharded: Path) -> None:
    before = sha256_weights(sharded / INDEX)
    (sharded / SHARDS[1]).write_bytes(b"others")
    assert sha256_weights(sharded / INDEX) != before


def test_a_shard_alone_is_refused(sharded: Path) -> None:
    with pytest.raises(
        InputError, match=r"one of several shards: name their index, as model\.safetensors\.index\.json"
    ):
        read_foreign(sharded / SHARDS[0], NAME)
    (sharded / INDEX).unlink()
    with pytest.raises(InputError, match=r"holds no weights: .*\.safetensors\.index\.json"):
        read_foreign(sharded, NAME)


def test_a_missing_or_incomplete_shard_is_named(sharded: Path) -> None:
    save_file({"other": torch.ones(2)}, sharded / SHARDS[1])
    with pytest.raises(InputError, match=rf"{SHARDS[1]} lacks tensors that {INDEX} looks for in it"):
        read_foreign(sharded, NAME)
    (sharded / SHARDS[1]).unlink()
    with pytest.raises(InputError, match=rf"{SHARDS[1]} is missing, which {INDEX} names: download all shards"):
        read_foreign(sharded, NAME)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no index of shards"),
        ("[]", "is no index of shards"),
        ('{"metadata": {}}', "'weight_map' is expected"),
        ('{"weight_map": {}}', "names no tensors"),
        ('{"weight_map": {"a": "../secret.safetensors"}}', r"names '\.\./secret\.safetensors' as a shard"),
        ('{"weight_map": {"a": "code.pkl"}}', r"names 'code\.pkl' as a shard: a \.safetensors file beside it"),
    ],
)
def test_a_broken_index_is_one_line(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(InputError, match=told) as refused:
        read_foreign(tmp_path, NAME)
    assert "\n" not in str(refused.value)
