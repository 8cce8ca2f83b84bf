"""Writing of pictures, with checks before any work, and the report of a command that draws."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from drkit.config.plot import PictureConfig
from drkit.plotting.style import check_suffix, write_figure
from drkit.records.atomic import check_writable
from drkit.reporting import Table


@dataclass(frozen=True)
class PictureReport:
    """The picture that was written.

    Args:
        picture: Path of the picture.
        runs: Names of the runs or data sets that it shows.
        sentences: Its content in sentences.
        figures: Its numbers, one object per run.
    """

    picture: Path
    runs: tuple[str, ...]
    sentences: tuple[str, ...] = ()
    figures: tuple[dict[str, Any], ...] = field(default_factory=tuple)

    def render(self) -> Iterator[str | Table]:
        """The sentences, and the path of the picture."""
        yield from self.sentences
        yield f"wrote {self.picture}: {', '.join(self.runs)}"


def check_picture(config: PictureConfig) -> None:
    """Check before any work that the picture can be written.

    Raises:
        UsageError: the suffix is not that of a picture format.
        OutputExistsError: the picture exists already.
    """
    check_suffix(config.out)
    check_writable(config.out, force=config.force)


def save(figure: Figure, config: PictureConfig, report: PictureReport) -> PictureReport:
    """Write the figure, and return its report."""
    write_figure(figure, config.out, force=config.force)
    return report
