"""The structure of the code: which package may import which, what help imports, and that the catalogue is complete."""

import ast
import inspect
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import drkit
from drkit import catalogue
from drkit.cli.app import app

PACKAGE = Path(drkit.__file__).parent

# From top to bottom; a package imports only from itself and from lower layers.
LAYERS = [
    {"cli"},
    {"recipes"},
    {"plotting"},
    {"ensembling", "explaining", "auditing", "exporting"},
    {"grading"},
    {"training"},
    {"inference", "evaluation"},
    {"data", "models"},
    {"duplicates"},
    {"images", "records", "losses"},
    {"cut_points"},
    {"intervals"},
    {"metrics", "decisions", "resampling"},
    {"config"},
    {"specs", "fonts", "batching", "engine"},
    {"catalogue", "reporting", "machine"},
    {"plugins"},
    {"progress", "grades", "errors"},
]
HEAVY = (
    "torch", "torchvision", "timm", "kornia", "cv2", "sklearn", "lightgbm", "pandas", "matplotlib", "pyarrow",
    "lightning_fabric", "tifffile", "imagecodecs", "simplejpeg", "pydicom",
)  # fmt: skip
# Imports that are allowed within a layer.
ALLOWED_WITHIN = {("models", "data"), ("images", "records"), ("records", "images")}


def _layer(package: str) -> int:
    return next(number for number, packages in enumerate(LAYERS) if package in packages)


def _imports() -> list[tuple[str, str, str]]:
    """(file, its package, imported package) of every import of drkit in drkit."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        package = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if package.startswith("__"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module == "drkit":
                names = [f"drkit.{alias.name}" for alias in node.names]
            inside = [name.split(".")[1] for name in names if name.startswith("drkit.")]
            found += [(str(path.relative_to(PACKAGE)), package, target) for target in inside]
    return found


def test_imports_point_down() -> None:
    wrong = [
        f"{file} imports {target}"
        for file, package, target in _imports()
        if not target.startswith("__")
        and package != target
        and (
            _layer(target) < _layer(package)
            or (_layer(target) == _layer(package) and (package, target) not in ALLOWED_WITHIN)
        )
    ]
    assert wrong == []


def test_every_package_has_a_layer() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert packages | modules == {package for layer in LAYERS for package in layer}


def test_recipes_never_import_recipes() -> None:
    assert [file for file, package, target in _imports() if package == target == "recipes"] == []


@pytest.mark.parametrize(
    ("word", "owners"),
    [
        ("print(", {"cli/console.py"}),
        ("cv2.imdecode", set()),  # libjpeg's complaints would reach the terminal
        ("Image.open", {"images/decoders/pictures.py"}),
        ("tifffile.TiffFile", {"images/decoders/tiff.py"}),
        ("simplejpeg.decode_jpeg", {"images/decoders/jpeg.py"}),
    ],
)
def test_only_one_module_reads_pixels_of_a_kind_and_only_one_prints(word: str, owners: set[str]) -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == word.rstrip("(")
    }
    assert users == owners


def test_only_models_names_timm() -> None:
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name.split(".")[0] == "timm"
    }
    assert users == {"models"}


def _imported(node: ast.AST) -> list[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    graph = {
        module: {
            f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in modules else node.module
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module in modules
            for alias in node.names
        }
        - {module}
        for module, path in modules.items()
    }
    assert set(TopologicalSorter(graph).static_order()) == set(graph)  # else a CycleError names the circle


def test_no_two_classes_share_a_name() -> None:
    files: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                files.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: places for name, places in files.items() if len(places) > 1} == {}


def _command_lines() -> list[list[str]]:
    program: Any = get_command(app)
    names = [name.split() for name, _ in program.load_all()]
    groups = {name[0]: [name[0]] for name in names if len(name) > 1}
    return [["--help"], ["--version"], *([*name, "--help"] for name in (*groups.values(), *names))]


@pytest.fixture(scope="module")
def imported_by_help() -> dict[str, tuple[int, list[str]]]:
    """Exit code and heavy packages of each help, from forks of one process that has imported the commands."""
    program = (
        "import json, os, sys\n"
        "from drkit.cli.app import app\n"
        f"for arguments in {_command_lines()!r}:\n"
        "    if os.fork():\n"
        "        os.wait()\n"
        "        continue\n"
        "    try:\n"
        "        app(arguments)\n"
        "    except SystemExit as ended:\n"
        f"        heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "        print(json.dumps([' '.join(arguments), ended.code or 0, heavy]), file=sys.stderr)\n"
        "    os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {line: (code, heavy) for line, code, heavy in map(json.loads, done.stderr.splitlines())}


@pytest.mark.parametrize("line", [" ".join(arguments) for arguments in _command_lines()])
def test_help_imports_nothing_heavy(line: str, imported_by_help: dict[str, tuple[int, list[str]]]) -> None:
    assert imported_by_help[line] == (0, [])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind, entries in vars(catalogue).items()
        if kind.isupper() and kind != "SHORT_BACKBONES"
        for name in entries
    ],
)
def test_every_entry_of_the_catalogue_can_be_loaded(kind: str, name: str) -> None:
    entry = getattr(catalogue, kind)[name]
    assert entry.load() is not None
    assert entry.summary
    assert not entry.summary.endswith(".")


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in ("FILTERS", "LOSSES") for name in getattr(catalogue, kind)]
)
def test_the_catalogue_lists_the_defaults_of_the_functions(kind: str, name: str) -> None:
    entry = getattr(catalogue, kind)[name]
    signature = inspect.signature(entry.load()).parameters
    assert {key: signature[key].default for key in entry.parameters} == {
        key: parameter.default for key, parameter in entry.parameters.items()
    }
