"""Find the file of weights in a folder, a run or a repository."""

import json
from pathlib import Path

import pytest

from drkit.errors import InputError
from drkit.models.weights.search import find_in_repository, find_weights, run_of

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
def test_the_backbones_file_is_found_in_the_courses_folder(tmp_path: Path, backbone: str) -> None:
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
def test_the_longest_backbone_name_in_a_file_name_counts(
    tmp_path: Path, backbone: str, files: list[str], chosen: str
) -> None:
    assert find_weights(_touch(tmp_path, *files), backbone).name == chosen


def test_no_or_several_suitable_files_in_a_folder_are_refused(tmp_path: Path) -> None:
    folder = _touch(tmp_path, *COURSE)
    with pytest.raises(
        InputError, match=r"no weights of resnet50: it contains pretrained/densenet121\.pth, .*name one"
    ):
        find_weights(folder, "resnet50")
    _touch(tmp_path, "resnet18.pth")
    with pytest.raises(InputError, match=r"several weights of resnet18: pretrained/resnet18\.pth, resnet18\.pth; name"):
        find_weights(folder, "resnet18")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"contain no weights: expected \.pth"):
        find_weights(tmp_path / "empty", "resnet18")


def test_the_message_about_a_missing_file_lists_the_files_in_its_folder(tmp_path: Path) -> None:
    _touch(tmp_path, "resnet18.pth")
    with pytest.raises(InputError, match=r"resnet81\.pth does not exist.* contains resnet18\.pth"):
        find_weights(tmp_path / "resnet81.pth", "resnet18")


@pytest.mark.parametrize("name", ["model_best.pth.tar", "weights.th", "learner.pkl", "best", "resnet18.onnx"])
def test_a_named_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Its content is checked when it is read."""
    assert find_weights(_touch(tmp_path, name) / name, "resnet18") == tmp_path / name


@pytest.mark.parametrize("ending", ["", ".json", ".parquet", ".history.csv", ".safetensors"])
def test_a_run_is_named_by_its_stem_or_any_of_its_files(tmp_path: Path, ending: str) -> None:
    _touch(tmp_path, "stage1.safetensors", "stage1.parquet", "stage1.history.csv")
    _finish(tmp_path / "stage1", 0)
    assert find_weights(tmp_path / f"stage1{ending}", "resnet18") == tmp_path / "stage1.safetensors"


@pytest.mark.parametrize("ending", ["", ".json", ".parquet", ".safetensors"])
def test_a_file_of_a_run_with_folds_must_be_named(tmp_path: Path, ending: str) -> None:
    _touch(tmp_path, "cv.fold0.safetensors", "cv.fold1.safetensors", "cv.parquet")
    _finish(tmp_path / "cv", 2)
    with pytest.raises(InputError, match=r"a run of 2 networks.*cv\.fold0\.safetensors, .*cv\.fold1\.safetensors"):
        find_weights(tmp_path / f"cv{ending}", "resnet18")
    assert find_weights(tmp_path / "cv.fold1.safetensors", "resnet18").name == "cv.fold1.safetensors"
    run = run_of(tmp_path / "cv.fold1.safetensors")
    assert run is not None
    assert run.stem == tmp_path / "cv"


def test_a_file_of_a_run_with_seeds_must_be_named(tmp_path: Path) -> None:
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


def test_a_run_with_missing_weights_is_refused(tmp_path: Path) -> None:
    _finish(tmp_path / "lost", 0)
    with pytest.raises(InputError, match=r"lost\.safetensors, a file of .*lost\.json, does not exist"):
        find_weights(tmp_path / "lost", "resnet18")


def test_a_checkpoint_without_a_record_has_no_run(tmp_path: Path) -> None:
    assert run_of(_touch(tmp_path, "a.safetensors") / "a.safetensors") is None


# In a repository.


class Shelf:
    """A repository of empty files, some of which are cached."""

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
def test_the_weights_of_a_repository_are_the_standard_or_only_file_or_that_of_the_backbone(
    files: list[str], chosen: str
) -> None:
    assert find_in_repository(Shelf(*files), "", "resnet18:drop_path_rate=0.1") == chosen


def test_named_or_cached_files_are_used_without_asking_the_hub() -> None:
    shelf = Shelf("a.pth", "b.pth", cached=("a.pth", "model.safetensors"))
    assert find_in_repository(shelf, "a.pth", "resnet18") == "a.pth"
    assert find_in_repository(shelf, "", "resnet18") == "model.safetensors"
    assert not shelf.is_asked
    assert find_in_repository(shelf, "b.pth", "resnet18") == "b.pth"


def test_being_cached_does_not_decide_between_several_files() -> None:
    """Otherwise the result of a command would depend on earlier commands."""
    with pytest.raises(
        InputError, match=r"no weights of resnet18: it contains a\.pth, b\.pth; name one as hf-hub:some/eyes"
    ):
        find_in_repository(Shelf("a.pth", "b.pth", cached=("a.pth",)), "", "resnet18")


@pytest.mark.parametrize(
    ("files", "file", "message"),
    [
        (["a.pth", "README.md"], "c.pth", r"hf-hub:some/eyes has no file 'c\.pth': it contains a\.pth$"),
        (["README.md"], "c.pth", r"has no file 'c\.pth': it contains README\.md"),
        (["README.md", "config.json"], "", r"contains no weights \(\.pth.*: it contains README\.md, config\.json"),
        (["resnet18-a.pth", "resnet18-b.pth"], "", r"several weights of resnet18: resnet18-a\.pth, .*eyes:FILE"),
    ],
)
def test_no_or_several_suitable_files_in_a_repository_are_refused(files: list[str], file: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_in_repository(Shelf(*files), file, "resnet18")
