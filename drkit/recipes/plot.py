"""`plot`: pictures of runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drkit.plotting.curves import draw_curves
from drkit.plotting.style import check_suffix, write_figure
from drkit.records.atomic import check_writable
from drkit.records.history import read_history
from drkit.records.patterns import expand_patterns
from drkit.records.runs import find_run
from drkit.reporting import Table


@dataclass(frozen=True)
class CurvesConfig:
    """Where the picture goes.

    Args:
        out: Its file.
        force: Overwrite it.
    """

    out: Path = Path("curves.png")
    force: bool = False


@dataclass(frozen=True)
class CurvesReport:
    """What was drawn.

    Args:
        picture: The file.
        runs: Whose histories.
        epochs: How many of each.
    """

    picture: Path
    runs: tuple[str, ...]
    epochs: tuple[int, ...]

    def story(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        told = ", ".join(f"{run} ({epochs} epochs)" for run, epochs in zip(self.runs, self.epochs, strict=True))
        yield f"wrote {self.picture}: {told}"


def run_curves(files: Sequence[Path], config: CurvesConfig) -> CurvesReport:
    """Draw the histories of runs on the same axes.

    Raises:
        InputError: no such run, or no history.
        UsageError: no kind of picture has the suffix of `out`.
        OutputExistsError: the picture is there already.
    """
    check_suffix(config.out)
    check_writable(config.out, force=config.force)
    runs = list(dict.fromkeys(map(find_run, expand_patterns(files))))
    names = [run.name for run in runs]
    histories = {
        run.name if names.count(run.name) == 1 else run.stem.as_posix(): read_history(run.history) for run in runs
    }
    write_figure(draw_curves(histories), config.out, force=config.force)
    epochs = tuple(int(history["epoch"].max()) for history in histories.values())
    return CurvesReport(config.out, tuple(histories), epochs)
