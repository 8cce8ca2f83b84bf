"""All texts of drkit in one file: help, messages, and the first line of every docstring.

Run as a program it rewrites the snapshot that `tests/cli/test_texts.py` compares with.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.main import get_command
from typer.models import ArgumentInfo

import drkit
from drkit.cli.app import COMMANDS, app

PACKAGE = Path(drkit.__file__).parent
SNAPSHOT = Path(__file__).parents[1] / "cli" / "snapshots" / "texts.txt"
OPTION_CALLS = ("Option", "Argument", "_panel")  # their help is listed with the commands
WORDS = re.compile(r"[A-Za-z}]\S* +\S*[A-Za-z{]")  # two words make a text; one is a name


def all_texts() -> str:
    """The snapshot: three sections, sorted by command and by module."""
    sections = {
        "HELP": _help(),
        "MESSAGES": _by_module(_messages),
        "DOCSTRINGS": _by_module(_docstrings),
    }
    return "\n".join(line for title, lines in sections.items() for line in (f"{title}\n", *lines, ""))


def _help() -> Iterator[str]:
    """The program, its groups and commands with their options; those that every command has stand with the program."""
    program: Any = get_command(app)
    commands = dict(program.load_all())
    shared = frozenset.intersection(*(frozenset(_options(command)) for command in commands.values()))
    yield "## drkit"
    yield from _indented(program.help)
    yield from _indented(program.epilog)
    yield from sorted(shared)
    yield ""
    for name in [name for name in COMMANDS if name not in commands]:
        yield from (f"## drkit {name}", *_indented(COMMANDS[name]), "")
    for name, command in commands.items():
        yield f"## drkit {name}"
        yield from _indented(inspect.getdoc(command.callback))
        yield from _indented(command.epilog)
        yield from (line for line in _options(command) if line not in shared)
        yield ""


def _options(command: Any) -> list[str]:
    return [_option(parameter) for parameter in inspect.signature(command.callback).parameters.values()]


def _option(parameter: inspect.Parameter) -> str:
    """Names, kind, range, default, panel and help of an option or argument."""
    kind, info = get_args(parameter.annotation)
    typed = [word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str)]
    name = "/".join(typed) or f"--{parameter.name.replace('_', '-')}"
    if isinstance(info, ArgumentInfo):
        name = parameter.name.upper()
    limits = "" if info.min is None and info.max is None else f" {info.min}..{'' if info.max is None else info.max}"
    is_silent = any(parameter.default is each for each in (None, False, inspect.Parameter.empty))
    facts = {
        "required": parameter.default is inspect.Parameter.empty,
        "hidden": info.hidden,
        f"default: {info.show_default}": isinstance(info.show_default, str),
        f"environment: {info.envvar}": info.envvar,
        f"panel: {info.rich_help_panel}": info.rich_help_panel,
    }
    notes = "".join(f" ({fact})" for fact, holds in facts.items() if holds)
    default = "" if is_silent else f" = {_plain(parameter.default)}"
    return f"  {name} {info.metavar or _kind(kind)}{limits}{default}{notes}: {info.help or ''}"


def _kind(kind: Any) -> str:
    if isinstance(kind, type) and not get_args(kind):
        return kind.__name__.lower()
    words = [_kind(each) if not isinstance(each, str) else each for each in get_args(kind) if each is not type(None)]
    return f"{'|'.join(words)}{'...' if get_origin(kind) is list else ''}"


def _plain(default: Any) -> str:
    return " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)


def _indented(text: str | None) -> list[str]:
    return [f"  {line.strip()}" for line in (text or "").splitlines() if line.strip()]


def _by_module(read: Any) -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        lines = list(dict.fromkeys(read(ast.parse(path.read_text(encoding="utf-8")))))
        if lines:
            yield f"## {path.relative_to(PACKAGE).as_posix()}"
            yield from (f"  {line}" for line in lines)
            yield ""


def _messages(node: ast.AST) -> Iterator[str]:
    """The strings of at least two words, with the expressions in braces; docstrings and help of options apart."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in OPTION_CALLS:
        return
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        text = _template(node)
        if WORDS.search(text):
            yield " ".join(text.split())
        return
    for child in ast.iter_child_nodes(node):
        yield from _messages(child)


def _template(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    assert isinstance(node, ast.JoinedStr)
    return "".join(map(_template, node.values))


def _docstrings(node: ast.AST, prefix: str = "") -> Iterator[str]:
    """The first line of the module, and of its public classes, functions and methods."""
    if isinstance(node, ast.Module) and (text := ast.get_docstring(node)):
        yield text.partition("\n")[0]
    for child in getattr(node, "body", []):
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
            text = ast.get_docstring(child) or ""
            yield f"{prefix}{child.name}: {text.partition(chr(10))[0]}"
            if isinstance(child, ast.ClassDef):
                yield from _docstrings(child, f"{prefix}{child.name}.")


if __name__ == "__main__":
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text(all_texts(), encoding="utf-8")
