"""Write docs/reference.md: every command and option, as `--help` tells them.

python tests/tools/write_reference.py
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from drkit.cli.app import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
HEAD = """# Reference

Every command and its options, written from the program by `python tests/tools/write_reference.py`. All commands also
take `--json` (one JSON object on stdout), `-q` (print only warnings and errors), `-v` (show the traceback of a refusal)
and `--help`.
"""
SHARED = {"--json", "--quiet", "--verbose", "--help", "--install-completion", "--show-completion"}


def render() -> str:
    """The whole page."""
    program: Any = get_command(app)
    return "\n".join([HEAD, *(line for name, command in sorted(program.load_all()) for line in _tell(name, command))])


def _tell(name: str, command: Any) -> Iterator[str]:
    yield from (f"## drkit {name}", "", _escape(inspect.cleandoc(command.help or "")), "")
    shown = [parameter for parameter in command.params if not SHARED & set(parameter.opts)]
    if shown:
        yield from ("| option | default | meaning |", "|---|---|---|", *map(_row, shown), "")
    examples = [line for line in (command.epilog or "").splitlines() if line.startswith("drkit ")]
    yield from ("```sh", *examples, "```", "")


def _row(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    named = ", ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else parameter.name.upper()
    choices = getattr(parameter, "metavar", None) if is_option else None
    words = f"`{named}`" + (f" `{choices}`" if choices else "")
    cells = (words, _default(parameter), _escape(getattr(parameter, "help", None) or ""))
    return "| " + " | ".join(" ".join(cell.replace("|", r"\|").split()) for cell in cells) + " |"


def _escape(text: str) -> str:
    return text.replace("<", "&lt;")


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "required"
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    is_shown = isinstance(value, str | int | float | Path) and value not in ("", False)
    return f"`{'yes' if value is True else value}`" if is_shown else ""


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
