"""The report on the machine, and what it leaves out."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.config.info import InfoConfig
from drkit.data.cache import open_cached
from drkit.recipes.info import run_info
from drkit.records.runs import PACKAGED_RUNS


def _fill(array: np.ndarray) -> tuple[str, ...]:
    array[:] = 1
    return ("note",)


def test_only_drkits_own_files_are_cleared(tmp_path: Path) -> None:
    open_cached(tmp_path, "0" * 32, (100,), _fill)
    (tmp_path / "mine.npy").write_bytes(b"mine")
    before = run_info(InfoConfig(cache_dir=tmp_path))
    assert (before.caches[0].files, before.removed_bytes) == (2, None)
    after = run_info(InfoConfig(clear_cache=True, cache_dir=tmp_path))
    assert after.removed_bytes == before.caches[0].size_bytes > 100
    assert (after.caches[0].files, after.caches[0].size_bytes) == (0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npy"]


def test_the_answer_can_be_pasted_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "secret-name"))
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0, result.output
    assert "secret-name" not in result.output
    assert "~/.cache/drkit" in result.output
    answer = json.loads(CliRunner().invoke(app, ["info", "--json"]).stdout)
    assert {"drkit", "Python", "torch", "timm"} <= answer["versions"].keys()
    assert answer["weights"]["tf_efficientnet_lite0"] == "package"
    assert 0 < answer["bank_bytes"] < answer["memory_bytes"]
    assert answer["devices"][0]["name"] == "cpu"


def test_the_packaged_network_is_named_where_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("present", "absent"):
        monkeypatch.setitem(PACKAGED_RUNS, name, tmp_path / name)
    (tmp_path / "present.json").touch()
    report = run_info(InfoConfig(cache_dir=tmp_path))
    assert "present" in report.networks
    assert "absent" not in report.networks
