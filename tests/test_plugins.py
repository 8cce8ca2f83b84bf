"""Entries of installed packages: `examples/plugin`, used from the shell, and broken packages."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drkit import plugins
from drkit.catalogue import OWN_LOSSES, Entry
from drkit.errors import InputError, UsageError
from drkit.plugins import Registry
from drkit.specs import describe_added, parse_spec

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "examples" / "plugin"
QUICK = (
    "--size", "64", "--epochs", "1", "--weights", "none", "--backbone", "test_efficientnet", "--workers", "1",
    "--choose", "last", "--quiet",
)  # fmt: skip
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package installed in it, as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    quietly = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *quietly, "--target", str(folder), str(PLUGIN)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands run, one after another."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def shell(work: Path, programs: Path) -> Shell:
    """Run drkit with or without the package."""

    def run(*arguments: object, site: Path | None) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(map(str, [ROOT, *([site] if site else [])]))
        return subprocess.run(
            [str(programs / "drkit"), *map(str, arguments)],
            cwd=work, env=os.environ | {"PYTHONPATH": path, "COLUMNS": "300"}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def made(shell: Shell, site: Path, clinic: Path, work: Path) -> Path:
    """The folder with the files of commands that use the package."""
    for line in (
        f"preprocess clean --data {clinic} --steps circle-crop,median:radius=2 --size 64 --workers 1",
        f"finetune --data {clinic} --loss focal:gamma=1.5 --name focal",
        "attend --data clean --attention context:reduction=4 --name context",
        "ensemble method trimmed:share=0.1 runs/focal runs/context --out both.parquet",
        "ensemble bag --of trimmed --bags 2 runs/focal runs/context --out bagged.parquet",
    ):
        trains = line.startswith(("finetune", "attend"))
        done = shell(*line.split(), *(QUICK if trains else ()), site=site)
        assert done.returncode == 0, done.stderr
    return work


def test_records_name_the_package_of_each_entry(made: Path) -> None:
    lab = "fundus-lab 1.0"
    steps, layout = {"filter median": lab}, {"layout clinic": lab}
    assert _read(made / "clean/manifest.json")["plugins"] == steps | layout
    assert _read(made / "clean/manifest.json")["steps"][1:] == ["resize:size=64", "median:radius=2"]
    focal, context = (_read(made / f"runs/{name}.json")["options"] for name in ("focal", "context"))
    assert (focal["loss"], focal["plugins"]) == ("focal:gamma=1.5", {"loss focal": lab} | layout)
    assert (context["attention_blocks"], context["plugins"]) == (
        "context:reduction=4",
        {"attention block context": lab} | steps | layout,
    )
    both, bagged = _read(made / "both.json"), _read(made / "bagged.json")
    assert both["fitted"] == {"kind": "trimmed", "share": 0.1}
    assert both["plugins"] == bagged["plugins"] == {"ensemble method trimmed": lab}


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("what", "missing"),
    [
        ("runs/focal", "runs/focal needs the loss focal"),
        ("runs/context", "runs/context needs the attention block context"),
        ("both", "both.json needs the ensemble method trimmed"),
        ("bagged", "bagged.json needs the ensemble method trimmed"),
    ],
)
def test_files_that_need_a_missing_package_are_refused(shell: Shell, eyes: Path, what: str, missing: str) -> None:
    refused = shell("predict", what, "--data", eyes, "--out", "refused.parquet", site=None)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"drkit: error: {missing} of fundus-lab 1.0, which is not installed: pip install fundus-lab==1.0\n"
    )


@pytest.mark.usefixtures("made")
def test_runs_and_ensembles_of_a_package_grade_photographs_if_it_is_installed(
    shell: Shell, site: Path, eyes: Path
) -> None:
    """The ensemble uses both runs, with the package's loss, attention block and filter."""
    done = shell("predict", "both", "--data", eyes, "--out", "both-eyes.parquet", site=site)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("made")
def test_steps_of_a_missing_package_are_refused_on_photographs_that_still_need_them(
    shell: Shell, site: Path, eyes: Path
) -> None:
    done = shell("finetune", "--data", "clean", "--name", "cleaned", *QUICK, site=None)
    assert done.returncode == 0, done.stderr
    known = shell("predict", "runs/cleaned", "--data", "clean", "--out", "cleaned-again.parquet", site=None)
    assert known.returncode == 0, known.stderr
    raw = shell("predict", "runs/cleaned", "--data", eyes, "--out", "raw.parquet", site=None)
    assert "the run needs the filter median of fundus-lab 1.0, which is not installed" in raw.stderr


LISTED = {
    "finetune --help": "focal: cross-entropy in which",
    "attend --help": "context: a weighted mean",
    "ensemble method --help": "trimmed: the mean without",
    "preprocess --list-steps": "fundus-lab 1.0: Huang",
    "info": "our clinic's data",
}


def test_help_lists_what_packages_add(programs: Path, site: Path, tmp_path: Path) -> None:
    program = tmp_path / "help.py"
    program.write_text(
        "import json, sys\n"
        "from typer.testing import CliRunner\n"
        "from drkit.cli.app import app\n"
        f"lines = {list(LISTED)!r}\n"
        "told = {line: CliRunner().invoke(app, line.split(), env={'COLUMNS': '400'}).stdout for line in lines}\n"
        "print(json.dumps(told))\n"
    )
    told = {}
    for path in (site, None):
        where = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, filter(None, [ROOT, path])))}
        done = subprocess.run([programs / "python", program], env=where, capture_output=True, text=True, check=True)
        told[path] = {line: " ".join(text.split()) for line, text in json.loads(done.stdout).items()}
    assert [line for line, listed in LISTED.items() if listed not in told[site][line]] == []
    assert [line for line, listed in LISTED.items() if listed in told[None][line]] == []


def test_programs_help_imports_no_package(shell: Shell, site: Path, tmp_path: Path) -> None:
    broken = _copy(site, tmp_path / "broken")
    (broken / "fundus_lab" / "__init__.py").write_text("raise SystemExit('imported')\n")
    done = shell("--help", site=broken)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_data_set_is_not_read_by_guessing_where_a_layouts_import_fails(
    shell: Shell, site: Path, clinic: Path, tmp_path: Path
) -> None:
    broken = _copy(site, tmp_path / "broken")
    (broken / "fundus_lab" / "clinic.py").write_text("import nothing_there\n")
    done = shell("check", "--data", clinic, site=broken)
    assert done.returncode == 2
    assert done.stderr == (
        "drkit: error: the layout clinic of fundus-lab 1.0 cannot be imported (ModuleNotFoundError: No module named"
        " 'nothing_there'): repair the package, or uninstall it\n"
    )


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry[Entry]]:
    """Losses with packages installed, each given as name, version, entry points and code of its one module."""

    def install(*packages: tuple[str, str, str, str]) -> Registry[Entry]:
        monkeypatch.syspath_prepend(tmp_path)
        for name, version, points, code in packages:
            about = tmp_path / f"{name}-{version}.dist-info"
            about.mkdir()
            (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            (about / "entry_points.txt").write_text(f"[drkit.losses]\n{points}\n")
            (tmp_path / f"{name}_module.py").write_text(code)
            sys.modules.pop(f"{name}_module", None)  # another test's
        plugins._all_entry_points.cache_clear()
        return Registry("loss", "drkit.losses", Entry, OWN_LOSSES)

    yield install
    plugins._all_entry_points.cache_clear()


GOOD = "from drkit.catalogue import Entry\nNEW = Entry('new', 'a_module:build')\nOTHER = 3\n"


def test_drkits_entries_come_first_and_packages_are_sorted_by_name(installed: Any) -> None:
    losses = installed(("a", "2.0", "zoo = a_module:NEW\nark = a_module:NEW", GOOD))
    assert list(losses) == [*OWN_LOSSES, "ark", "zoo"]
    assert len(losses) == len(OWN_LOSSES) + 2
    assert (losses["zoo"].summary, losses["zoo"].package, losses["mse"].package) == ("new", "a 2.0", "")
    assert losses.packages(["mse", "ark"]) == {"loss ark": "a 2.0"}
    assert describe_added(losses) == "ark: new, of a 2.0; zoo: new, of a 2.0"
    with pytest.raises(UsageError, match="unknown loss 'arc': did you mean ark"):
        parse_spec(losses, "loss", "arc")


@pytest.mark.parametrize(
    ("packages", "name", "message"),
    [
        ([("a", "1", "mse = a_module:NEW", GOOD)], "mse", "the loss mse is defined by drkit and by a 1: uninstall"),
        (
            [("a", "1", "new = a_module:NEW", GOOD), ("b", "2", "new = b_module:NEW", GOOD)],
            "new",
            "the loss new is defined by a 1 and by b 2: uninstall one of the packages, or rename its entry point",
        ),
        (
            [("a", "1", "new = a_module:NEW", "import nothing_there")],
            "new",
            r"the loss new of a 1 cannot be imported \(ModuleNotFoundError: No module named 'nothing_there'\): repair",
        ),
        ([("a", "1", "new = a_module:ABSENT", GOOD)], "new", r"cannot be imported \(AttributeError: .*ABSENT'\)"),
        (
            [("a", "1", "new = a_module:OTHER", GOOD)],
            "new",
            "a_module:OTHER is a int, expected a drkit.catalogue.Entry",
        ),
    ],
    ids=["drkit-has-it", "two-have-it", "import-fails", "no-such-attribute", "no-entry"],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_is_refused_in_one_line(
    installed: Any, packages: list[tuple[str, str, str, str]], name: str, message: str
) -> None:
    losses = installed(*packages)
    with pytest.raises(UsageError, match=message) as refused:
        parse_spec(losses, "loss", name)
    assert "\n" not in str(refused.value)
    assert parse_spec(losses, "loss", "corn").name == "corn"
    assert str(refused.value) in describe_added(losses)


def test_the_code_that_an_entry_names_is_imported_when_it_is_built(installed: Any) -> None:
    losses = installed(("a", "1", "new = a_module:NEW", GOOD))
    assert losses["new"]
    with pytest.raises(UsageError, match=r"a_module:build of a 1 cannot be imported \(AttributeError"):
        losses["new"].load()


def test_another_version_is_remarked_on(installed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(plugins, "warn", told.append)
    losses = installed(("a", "2", "new = a_module:NEW", GOOD))
    losses.check_packages({"loss new": "a 2"}, ["new", "mse"], "runs/x")
    assert told == []
    losses.check_packages({"loss new": "a 1"}, ["new"], "runs/x")
    assert told == ["runs/x was made with the loss new of a 1, but a 2 is installed"]
    with pytest.raises(InputError, match=r"runs/x needs the loss gone of c 3, .*: pip install c==3"):
        losses.check_packages({"loss gone": "c 3"}, ["gone"], "runs/x")


def _copy(site: Path, folder: Path) -> Path:
    return Path(shutil.copytree(site, folder, ignore=shutil.ignore_patterns("__pycache__")))


def _read(path: Path) -> Any:
    return json.loads(path.read_text())
