"""The documentation agrees with the program."""

import os
import re
import shlex
import subprocess
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.records.layouts import LAYOUTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_lists_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    program: Any = get_command(app)
    assert [name for name, _ in program.load_all() if f"`drkit {name}" not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_a_target(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_anchor_is_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^):]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    assert [
        f"{path}#{anchor}" for path, anchor in links if anchor not in _anchors(page.parent / path if path else page)
    ] == []


def _anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_reference_is_up_to_date() -> None:
    path = ROOT / "tests" / "tools" / "write_reference.py"
    spec = spec_from_file_location("write_reference", path)
    assert spec
    assert spec.loader
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    is_current = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == tool.render()
    assert is_current, f"run python {path.relative_to(ROOT)}"


def test_every_page_is_on_the_site() -> None:
    site = (ROOT / ".mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f" {page.name}\n" not in site] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_parses(page: Path) -> None:
    """The program has all options of every `drkit` line in a shell block."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line.lstrip("$ ") for block in blocks for line in block.splitlines()]
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] != ["drkit"]:
            continue
        name, depth = (" ".join(words[1:3]), 3) if words[1] in ("plot", "ensemble") else (words[1], 2)
        shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"}).output
        options = [word.split("=")[0] for word in words[depth:] if word.startswith("--")]
        assert [option for option in options if option not in shown] == [], line


SHIM = """#!/usr/bin/env bash
# drkit, with less to do: the last of two equal options counts.
case $1 in
    synth) set -- "$@" --patients 12 --size 64 ;;
    finetune) set -- "$@" --size 64 --epochs 1 --weights none --backbone test_efficientnet ;;
esac
exec {program} "$@"
"""


def test_the_commands_of_the_readme_run_unchanged(programs: Path, tmp_path: Path) -> None:
    """Under `set -euo pipefail`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    chain = re.search(r"## Step by step\n\n```sh\n(.*?)```", readme, flags=re.DOTALL)
    assert chain
    shim = tmp_path / "bin" / "drkit"
    shim.parent.mkdir()
    shim.write_text(SHIM.format(program=programs / "drkit"))
    shim.chmod(0o755)
    settings = {name: value for name, value in os.environ.items() if not name.startswith("DRKIT_")}
    settings |= {"PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for lines in (chain[1], chain[1].split("\n")[0]):  # the data set may exist already
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{lines}"],
            cwd=tmp_path, env=settings, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert {"runs/first.parquet", "curves.png", "predictions/first.parquet", "submission.csv"} <= written


def test_every_layout_is_described() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert [name for name, layout in LAYOUTS.items() if layout.title not in page and name not in page] == []


def test_concepts_names_modules_and_classes_that_are_there() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    modules = re.findall(r"`((?:\w+/)?\w+\.py)`", page.replace("NAME.py", "").replace("tests/test_structure.py", ""))
    assert [module for module in modules if not list((ROOT / "drkit").rglob(module))] == []
    glossary = page.partition("## Glossary")[2].partition("\n## ")[0]
    names = re.findall(r"`([a-z_.]+)\.([A-Za-z_]+)`", glossary)
    assert len(names) > 15
    assert [name for module, name in names if not hasattr(import_module(f"drkit.{module}"), name)] == []


def test_the_courses_figures_stand_in_results_or_experiments() -> None:
    course, *sources = (_flat(ROOT / "docs" / f"{page}.md") for page in ("course", "results", "experiments"))
    number = r"[-+]?\d\.\d{3}"
    figures = re.findall(rf"{number} \({number} to {number}\)", course)
    assert len(figures) > 20
    assert [figure for figure in figures if not any(figure in source for source in sources)] == []


def test_the_courses_kappa_is_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "course.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block
    exec(block[1], {})
    assert capsys.readouterr().out.strip() == block[1].rpartition("# ")[2].strip() == "0.5947 0.5947"


def test_the_courses_page_describes_the_grades_as_the_pictures_do() -> None:
    from drkit.plotting.criteria import CRITERIA

    page = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    assert [criterion for criterion in CRITERIA if f"| {criterion} |" not in page] == []


def _flat(page: Path) -> str:
    return " ".join(page.read_text(encoding="utf-8").split())
