"""The snippets of the page on extending drkit work in a copy of the package, and its commands run."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import drkit

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
INSIDE = PAGE.partition("## Inside drkit")[2]
PLACE = re.compile(r"# (?P<file>drkit/\S+\.py), (?P<where>at the end|a new file|(?:in|before) (?P<name>\w+))\n")
QUICK = (
    "--size", "64", "--epochs", "1", "--weights", "none", "--backbone", "test_efficientnet", "--workers", "1",
    "--choose", "last", "--quiet",
)  # fmt: skip


def _blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


def _put(snippet: str, root: Path) -> None:
    """Write a snippet to the file that its first line names."""
    place = PLACE.match(snippet)
    assert place, snippet
    path, code = root / place["file"], snippet[place.end() :]
    if place["where"] == "a new file":
        assert not path.exists()
        path.write_text(code)
        return
    lines = path.read_text().splitlines(keepends=True)
    start = len(lines)
    if place["name"]:
        start = next(number for number, line in enumerate(lines) if re.match(rf"{place['name']}\b", line))
    if place["where"].startswith("in "):
        start = next(number for number in range(start, len(lines)) if lines[number].rstrip().endswith("{")) + 1
    path.write_text("".join([*lines[:start], code, *lines[start:]]))


@pytest.fixture(scope="module")
def extended(eyes: Path, clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of drkit that contains all snippets, and the data sets that the page names."""
    root = tmp_path_factory.mktemp("extended")
    package = Path(drkit.__file__).parent
    shutil.copytree(package, root / "drkit", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    for snippet in _blocks(INSIDE, "python"):
        _put(snippet, root)
    (root / "DeepDRiD").symlink_to(eyes)
    (root / "clinic").symlink_to(clinic)
    return root


def test_every_snippet_and_command_of_inside_works(extended: Path, programs: Path) -> None:
    lines = [line for block in _blocks(INSIDE, "(?:sh|shell)") for line in block.splitlines()]
    commands = [words[1:] for line in lines if (words := shlex.split(line))[0] == "drkit"]
    assert [command[0] for command in commands] == ["preprocess", "finetune", "attend", "check", "ensemble", "count"]
    outputs = {}
    for command in commands:
        quick = QUICK if command[0] in ("finetune", "attend") else ()
        done = subprocess.run(
            [programs / "drkit", *command, *quick],
            cwd=extended, env=os.environ | {"PYTHONPATH": str(extended)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outputs[command[0]] = done.stdout + done.stderr
    assert "clinic" in outputs["check"]
    assert "our clinic's data" not in outputs["check"]
    assert re.search(r"│ *\d+ +│ +\d+ +│ +\d+ +│ +\d+ +│ +\d+ *│", outputs["count"])
    assert (extended / "ensembles" / "trimmed.json").is_file()


def test_outside_shows_the_example_package() -> None:
    outside = PAGE.partition("## Inside drkit")[0]
    code = "".join(path.read_text() for path in (ROOT / "examples" / "plugin" / "fundus_lab").glob("*.py"))
    (entry,) = _blocks(outside, "python")
    assert entry.partition("\n\n")[2] in code
    shown = tomllib.loads("".join(_blocks(outside, "toml")))["project"]["entry-points"]
    built = tomllib.loads((ROOT / "examples" / "plugin" / "pyproject.toml").read_text())["project"]["entry-points"]
    assert shown.items() <= built.items()
    assert [group for group in built if f"`{group}`" not in outside] == []
