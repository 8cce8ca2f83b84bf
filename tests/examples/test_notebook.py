"""The notebook for Kaggle and Colab."""

import csv
import json
import os
import site
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbformat, of the dev extra")
nbclient = pytest.importorskip("nbclient", reason="notebooks need nbclient, of the dev extra")
pytest.importorskip("ipykernel", reason="notebooks need ipykernel, of the dev extra")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "drkit.ipynb"
SMALL = {
    "BACKBONE": "test_efficientnet", "WEIGHTS": "none", "EPOCHS": 1, "SIDE": 64, "OPTIONS": "--size 64 --device cpu",
}  # fmt: skip
# Records its command lines, and writes the files that drkit would write.
RECORDER = """#!/usr/bin/env bash
echo "$*" >> "$NOTES"
[ "$1" != "$STUCK" ] || exit 2
while [ $# -gt 0 ]; do
    case $1 in --runs-dir) runs=$2 ;; --name) name=$2 ;; --out) out=$2 ;; esac
    shift
done
[ -z "$name" ] || { mkdir -p "$runs" && touch "$runs/$name.json" "$runs/$name.parquet"; }
case $out in
    *.png) mkdir -p "$(dirname "$out")" && cp "$PICTURE" "$out" ;;
    *.html) echo "<!DOCTYPE html>" > "$out" ;;
esac
"""


def run(folder: Path, kernel: str = "python3", cells: slice = slice(None), **parameters: Any) -> Any:
    """Run the notebook in a folder, with other values for some of its parameters, and return it."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    given = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    place = next(number for number, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", []))
    book.cells = book.cells[cells]
    book.cells.insert(place + 1, nbformat.v4.new_code_cell(given))
    nbclient.NotebookClient(book, timeout=1500, kernel_name=kernel, resources={"metadata": {"path": folder}}).execute()
    return book


def outputs(book: Any, kind: str) -> list[str]:
    """The outputs of the cells of a media type."""
    return [
        output.data[kind] for cell in book.cells for output in cell.get("outputs", []) if kind in output.get("data", {})
    ]


def printed(book: Any) -> str:
    return "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which a stand-in for drkit records its command lines."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "drkit").write_text(RECORDER)
    (folder / "drkit").chmod(0o755)
    picture = folder / "picture.png"
    picture.write_bytes(bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001"
        "ff56c72f0d0000000049454e44ae426082"
    ))  # fmt: skip
    for name, value in {"NOTES": folder / "notes", "PICTURE": picture, "STUCK": "nothing"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "notes"


def test_no_output_is_committed() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"] is not None] == []


@pytest.mark.timeout(1800)
def test_all_tasks_run_on_synthetic_eyes(
    programs: Path, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [str(programs), str(Path(sys.executable).parent)]
    monkeypatch.setenv("PATH", os.pathsep.join([*folders, os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book = run(tmp_path, DATA=str(eyes), PATIENTS=12, **SMALL)
    assert len(outputs(book, "image/png")) == 4  # examples, curves, comparison of ensembles, errors with their maps
    (report,) = outputs(book, "text/html")
    assert "&lt;!DOCTYPE html&gt;" in report
    with (eyes / "sample_submission.csv").open() as sample, (tmp_path / "submission.csv").open() as submission:
        assert [row["ID"] for row in csv.DictReader(submission)] == [row["ID"] for row in csv.DictReader(sample)]


def test_a_session_continues_an_earlier_one(recording: Path, tmp_path: Path) -> None:
    data, earlier = tmp_path / "data", tmp_path / "earlier"
    data.mkdir()
    (earlier / "runs").mkdir(parents=True)
    (earlier / "runs" / "single.json").touch()
    (earlier / "runs" / "dual.resume.pt").touch()
    run(tmp_path, DATA=str(data), EARLIER=str(earlier), TASKS="a")
    trained = [line for line in recording.read_text().splitlines() if line.startswith("finetune")]
    assert len(trained) == 1
    assert "--name dual" in trained[0]
    assert trained[0].endswith("--resume")
    assert "submit course/runs/dual.parquet --out submission.csv --force" in recording.read_text()


def test_without_time_left_nothing_is_trained_and_the_notebook_finishes(recording: Path, tmp_path: Path) -> None:
    book = run(tmp_path, DATA=str(tmp_path), HOURS=0)
    assert "finetune" not in recording.read_text()
    assert "no run is finished yet" in printed(book)


@pytest.mark.parametrize("command", ["check", "finetune"])
def test_a_failing_command_stops_the_notebook(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("STUCK", command)
    with pytest.raises(nbclient.exceptions.CellExecutionError, match=r"failed|was not trained"):
        run(tmp_path, DATA=str(tmp_path))
    assert recording.read_text().splitlines()[-1].split()[0] == command


def test_drkit_is_installed_from_wheels_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    list(builder.build(directory=str(tmp_path / "wheels"), versions=["standard"]))
    place = _environment_without_drkit(tmp_path / "fresh")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "fresh" / "share" / "jupyter"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run(tmp_path, kernel="fresh", cells=slice(4), WHEELS=str(tmp_path / "wheels"))
    assert (place / "drkit" / "models" / "fundus" / "fundus.json").is_file()
    assert (tmp_path / "fresh" / "bin" / "drkit").is_file()


def _environment_without_drkit(folder: Path) -> Path:
    """Create a virtual environment with a kernel `fresh` and all packages except drkit; return its package folder."""
    venv.create(folder, with_pip=False)
    place = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for package in Path(site.getsitepackages()[0]).iterdir():
        if "drkit" not in package.name:
            (place / package.name).symlink_to(package)
    kernel = folder / "share" / "jupyter" / "kernels" / "fresh" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [str(folder / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "fresh", "language": "python"}))
    return place
