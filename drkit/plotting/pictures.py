"""What a command that draws is told, and what it answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from drkit.evaluation.aggregation import Level
from drkit.grades import Split
from drkit.plotting.style import check_suffix, write_figure
from drkit.records.atomic import check_writable
from drkit.reporting import Table

MIN_RESAMPLES = 100


@dataclass(frozen=True)
class PictureConfig:
    """Where a picture goes and what is drawn.

    Args:
        out: Its file; the suffix says which kind.
        force: Overwrite it.
        split: Only its rows; None: all splits with reference grades that the run was not trained on.
        by: What counts as a case.
        seed: Of every draw.
        resamples: How often patients are drawn for an interval.
    """

    out: Path
    force: bool = False
    split: Split | None = None
    by: Level = "photograph"
    seed: int = 0
    resamples: int = 1000

    def check(self) -> None:
        """Check that the picture can be written, before any work.

        Raises:
            UsageError: a suffix of no kind of picture.
            OutputExistsError: it is there already.
        """
        check_suffix(self.out)
        check_writable(self.out, force=self.force)


@dataclass(frozen=True)
class PictureReport:
    """What was drawn.

    Args:
        picture: The file.
        runs: What it shows.
        sentences: What it says, in words.
        figures: The numbers behind it, an object a run.
    """

    picture: Path
    runs: tuple[str, ...]
    sentences: tuple[str, ...] = ()
    figures: tuple[dict[str, Any], ...] = field(default_factory=tuple)

    def render(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        yield from self.sentences
        yield f"wrote {self.picture}: {', '.join(self.runs)}"


def save(figure: Figure, config: PictureConfig, report: PictureReport) -> PictureReport:
    """Write the figure and answer."""
    write_figure(figure, config.out, force=config.force)
    return report
