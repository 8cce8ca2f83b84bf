"""Pictures of histories: drawn, the same bytes again, refused over others."""

from pathlib import Path

import cv2
import pytest

from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.recipes.plot import CurvesConfig, run_curves
from drkit.records.runs import Run


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_curves_are_the_same_bytes_each_time(run_stem: Path, tmp_path: Path, suffix: str) -> None:
    first, second = (run_curves([run_stem], CurvesConfig(tmp_path / f"{n}{suffix}")).picture for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_is_not_blank(run_stem: Path, tmp_path: Path) -> None:
    report = run_curves([run_stem, run_stem.with_suffix(".parquet")], CurvesConfig(tmp_path / "a.png"))
    picture = cv2.imread(str(report.picture))
    assert picture.shape[1] > 1000
    assert len({tuple(colour) for colour in picture.reshape(-1, 3)[::7]}) > 20
    assert (report.runs, report.epochs) == (("small",), (3,))


def test_runs_of_the_same_name_are_told_apart(run_stem: Path, tmp_path: Path) -> None:
    for path in Run(run_stem).outputs:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    report = run_curves([run_stem, tmp_path / "small"], CurvesConfig(tmp_path / "a.png"))
    assert report.runs == (run_stem.as_posix(), (tmp_path / "small").as_posix())


def test_mistakes_are_refused(run_stem: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        run_curves([run_stem], CurvesConfig(tmp_path / "a.bmp"))
    with pytest.raises(InputError, match="expected a finished run"):
        run_curves([tmp_path / "nothing"], CurvesConfig(tmp_path / "a.png"))
    with pytest.raises(InputError, match="no file fits the pattern"):
        run_curves([tmp_path / "*.parquet"], CurvesConfig(tmp_path / "a.png"))
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputExistsError):
        run_curves([run_stem], CurvesConfig(tmp_path / "a.png"))
