"""The commands in the documentation run on synthetic eyes with tiny networks."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v2, resnet18
from typer.testing import CliRunner

from drkit.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "attention", "course", "datasets", "ensembles", "explaining", "exporting", "fundus", "kaggle", "losses", "plots",
    "predicting", "preprocessing", "scoring", "training", "weights",
)  # fmt: skip
ELSEWHERE = {
    "experiments": "hours of training on real photographs",
    "extending": "test_extending.py",
    "reference": "examples of help texts, which tests/cli runs",
    "reliability": "test_campaigns.py",
    "results": "hours of training on real photographs",
}
MADE_BEFORE = {  # what other pages show, and these need
    "plots": (
        "drkit attend --attention cbam --choose last --train-baseline --name cbam",
        "drkit ensemble vote runs/a runs/b",
        "drkit ensemble compare runs/a runs/b",
    ),
}
NEEDED = {"exporting": ("onnx", "onnxscript", "onnxruntime")}  # packages of an extra
UNREACHED = ("hf-hub:", "tcp://HOST")  # other machines
QUICK = ("--size", "64", "--epochs", "1", "--copies", "1", "--device", "cpu", "--workers", "1")
TINY = ("--weights", "none", "--backbone", "test_efficientnet")


def _blocks(page: str) -> list[list[str]]:
    """The lines of a page's shell blocks that call drkit, except those that need another machine."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, flags=re.DOTALL)
    commands = [re.findall(r"\bdrkit [a-z].*", block) for block in blocks]
    return [
        lines
        for block in commands
        if (lines := [line for line in block if not any(place in line for place in UNREACHED)])
    ]


def _arguments(line: str) -> list[str]:
    """The arguments of a command line, with small trainings."""
    words = shlex.split(line.removesuffix("&").rstrip(), comments=True)[1:]
    arguments = [path for word in words for path in sorted(map(str, Path().glob(word))) or [word]]
    if words[0] in ("finetune", "attend") and "--list-backbones" not in words:
        arguments += QUICK if "--weights" in words else (*QUICK, *TINY)
    return arguments


def _assert_runs(line: str) -> None:
    outcome = CliRunner().invoke(app, _arguments(line))
    expected = (0, 1) if line.startswith("drkit check") else (0,)  # 1: it has findings
    nothing_to_resume = "--resume" in line and "there is nothing to resume" in outcome.output
    assert outcome.exit_code in expected or nothing_to_resume, f"{line}\n{outcome.output}"


def _copy(folder: Path, other: Path) -> Path:
    """Copy a folder with hard links, which is safe because drkit replaces files and never changes them."""
    return shutil.copytree(folder, other, copy_function=os.link)


@pytest.fixture(scope="module")
def prepared(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data sets, weights and runs that the pages name."""
    from drkit.config.synth import SynthConfig
    from drkit.recipes.synth import run_synth

    folder = tmp_path_factory.mktemp("snippets")
    for seed, name in enumerate(("DeepDRiD", "APTOS2019", "IDRiD", "Messidor-2", "KaggleDRResized"), start=11):
        run_synth(
            SynthConfig(out=folder / name, patients=24 if name == "DeepDRiD" else 10, size=64, seed=seed, workers=1)
        )
    for name in ("my-photographs", "PHOTOGRAPHS"):
        (folder / name).mkdir()
        for path in sorted((eyes / "test").rglob("*.jpg"))[:4]:
            shutil.copy(path, folder / name)
    (folder / "pretrained_DR_resize").mkdir()
    torch.save(resnet18(weights=None).state_dict(), folder / "pretrained_DR_resize" / "resnet18.pth")
    torch.save(mobilenet_v2(weights=None).state_dict(), folder / "mobilenet_v2-b0353104.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for seed, name in enumerate(("first", "quick", "a", "b", "stage1")):
            _assert_runs(f"drkit finetune --choose last --seed {seed} --name {name}")
        _assert_runs("drkit explain runs/a")
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs(
    page: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in NEEDED.get(page, ()):
        pytest.importorskip(package)
    if page in MADE_BEFORE:
        prepared = _copy(prepared, tmp_path / "before")
        monkeypatch.chdir(prepared)
        for line in MADE_BEFORE[page]:
            _assert_runs(line)
    for number, lines in enumerate(_blocks(page)):
        monkeypatch.chdir(_copy(prepared, tmp_path / str(number)))
        for name in re.findall(r"--name (\S+)", "\n".join(lines)):
            for path in Path("runs").glob(f"{name}.*"):
                path.unlink()
        for line in lines:
            _assert_runs(line)


def test_no_page_is_forgotten() -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {page for page in pages - set(ELSEWHERE) if _blocks(page)} == set(PAGES)
