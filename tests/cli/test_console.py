"""What is printed to stdout and stderr."""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drkit.cli import console
from drkit.errors import Interrupted, UsageError
from drkit.reporting import Table


@dataclass(frozen=True)
class Answer:
    path: Path
    values: tuple[float, ...]

    def render(self) -> Iterator[str | Table]:
        yield "the [left] eye"
        yield Table("a [title]", ("a", "b"), [("1", "[2]")])


def test_reports_are_printed_to_stdout_and_keep_square_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    console.show(Answer(Path("x"), (1.0,)), as_object=False)
    captured = capsys.readouterr()
    assert "the [left] eye" in captured.out
    assert "[2]" in captured.out
    assert "a [title]" in captured.out
    assert captured.err == ""


def test_an_object_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.show(Answer(Path("a/b"), (1.0, 2.5)), as_object=True)
    assert json.loads(capsys.readouterr().out) == {"path": "a/b", "values": [1.0, 2.5]}


def test_a_refusal_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    console.refuse(UsageError("a very\n" + "long " * 100 + "sentence [bold]"))
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1
    assert captured.endswith("sentence [bold]\n")


def test_an_interruption_names_the_command_that_resumes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["drkit", "finetune", "--data", "my data"])
    console.refuse(Interrupted("stopped", ("--name", "a", "--resume")))
    assert "drkit finetune --data 'my data' --name a --resume" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["drkit", "finetune", "--name", "a", "--resume"])
    console.refuse(Interrupted("stopped", ("--name", "a", "--resume")))
    assert "drkit finetune --name a --resume\n" in capsys.readouterr().err


def test_progress_elsewhere_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    assert list(console.ConsoleReporter(quiet=False).track(range(3), "counting", 3)) == [0, 1, 2]
    captured = capsys.readouterr().err
    assert "counting: 1/3" in captured
    assert list(console.ConsoleReporter(quiet=True).track(range(3), "counting", 3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("variable", [None, "JPY_PARENT_PID", "KAGGLE_KERNEL_RUN_TYPE", "COLAB_RELEASE_TAG"])
def test_a_notebook_gets_lines_although_it_is_a_terminal(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    for name in console.NOTEBOOK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(console.ConsoleReporter(quiet=False).track(range(3), "counting", 3)) == [0, 1, 2]
    written = sys.stderr.getvalue()
    assert ("counting: 1/3" in written) == (variable is not None)
    assert ("\x1b[" in written) == (variable is None)


@pytest.mark.parametrize(
    ("columns", "width"), [("60", 60), ("100", 100), (None, console.PLAIN_WIDTH), ("wide", console.PLAIN_WIDTH)]
)
def test_a_piped_table_has_the_width_given_by_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)

    @dataclass(frozen=True)
    class Long:
        def render(self) -> Iterator[str | Table]:
            yield Table("a title", ("a",), [("x" * 500,)])

    console.show(Long(), as_object=False)
    assert max(map(len, capsys.readouterr().out.splitlines())) == width
