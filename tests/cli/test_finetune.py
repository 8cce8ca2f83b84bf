"""Options of `drkit finetune` that show something instead of training."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.images.files import read_photograph


def _type(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["finetune", *map(str, arguments)], env={"COLUMNS": "200", "NO_COLOR": "1"})
    return found.exit_code, found.stdout, found.stderr


def test_listing_backbones_needs_no_other_option() -> None:
    code, out, _ = _type("--list-backbones", "efficientnet_b[01]", "--data", "nowhere")
    assert code == 0
    assert "efficientnet_b0" in out
    assert "5.3 M" in out
    assert "224 px" in out


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    code, _, error = _type("--list-backbones", "reznet18")
    assert code == 2
    assert "did you mean resnet18" in error


def test_a_sheet_of_augmented_photographs_is_drawn_and_nothing_is_trained(
    eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--data", eyes, "--weights", "none", "--size", 64, "--augment", "strong")
    code, out, error = _type("--preview-augmentation", "sheet.png", *options)
    assert code == 0, error
    assert "6 training photographs under augmentation strong" in out
    assert read_photograph(tmp_path / "sheet.png").shape[1] == 8 * 68  # seven copies beside each, and gaps
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    assert _type("--preview-augmentation", "sheet.png", *options)[0] == 2
    code, _, told = _type("--preview-augmentation", "sheet.txt", "--data", "nowhere")
    assert code == 2
    assert "--preview-augmentation sheet.txt: expected a name that ends in .png" in told
