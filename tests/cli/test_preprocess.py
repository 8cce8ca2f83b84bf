"""`drkit preprocess` on the command line."""

from pathlib import Path

import pytest
import typer

from drkit.catalogue import FILTERS
from drkit.cli.preprocess import _list_steps, preprocess
from drkit.errors import UsageError
from drkit.recipes.synth import SynthConfig, run_synth


def test_the_steps_are_listed_with_all_that_help_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        _list_steps(True)
    listed = capsys.readouterr().out

    for name, step in FILTERS.items():
        assert name in listed
        assert step.source.split(",")[0][:12] in listed
        for parameter, known in step.parameters.items():
            assert f"{parameter}={known.default:g}" in listed


def test_it_makes_a_data_set_and_says_what(tmp_path: Path) -> None:
    run_synth(SynthConfig(tmp_path / "DeepDRiD", patients=5, size=48))
    report = preprocess(tmp_path / "out", "circle-crop,gamma", [tmp_path / "DeepDRiD"], 32, workers=1)

    told = list(report.render())
    assert "20 photographs" in str(told[0])
    assert "circle-crop:margin=0,resize:size=32,gamma:gamma=1.5" in str(told[1])
    assert len(list((tmp_path / "out" / "images").glob("*.jpg"))) == 20


def test_a_missing_folder_is_asked_for() -> None:
    with pytest.raises(UsageError, match="name the new data set's folder"):
        preprocess()
