"""All benchmarks run; their figures are not checked."""

import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"
ROOT = BENCHMARKS.parents[1]
NAMES = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in ("run", "timing"))


def test_all_are_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    listed = runpy.run_path(str(BENCHMARKS / "run.py"))["BENCHMARKS"]
    assert sorted({*listed, "disc", "seeds"}) == NAMES
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in listed if f"\n$ python tests/benchmarks/{name}.py" not in page] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In this process, which has imported torch."""
    if name == "disc" and not (ROOT / ".git").exists():
        pytest.skip("compares with an earlier commit, and this is no checkout")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", [name, "--quick"])
    runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
    assert capsys.readouterr().out.strip()
