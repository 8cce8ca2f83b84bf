"""`drkit synth` on the command line."""

import json
from pathlib import Path

from typer.testing import CliRunner

from drkit.cli.app import app


def test_a_data_set_is_written_and_described(tmp_path: Path) -> None:
    out = tmp_path / "DeepDRiD"
    options = ["synth", str(out), "--patients", "5", "--size", "32", "--workers", "1", "--json"]
    result = CliRunner().invoke(app, options)

    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["photographs"] == 20
    assert len(list(out.rglob("*.jpg"))) == 20


def test_too_few_patients_are_refused_in_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synth", str(tmp_path / "out"), "--patients", "3"])

    assert result.exit_code == 2
    assert "--patients 3: train, val and test need at least 5 patients" in result.output
    assert not (tmp_path / "out").exists()
