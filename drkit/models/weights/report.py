"""What became of a file's tensors, and how a file that does not fit is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath

from drkit.errors import InputError, first_few
from drkit.reporting import Table

Shape = tuple[int, ...]
ROWS_OF_A_KIND = 4


@dataclass(frozen=True)
class WeightsReport:
    """What became of a file's tensors.

    Args:
        backbone: timm's architecture.
        source: The file, by its path or its address.
        sha256: Its hash.
        place: What stood before the names in the file; see `ForeignWeights`.
        matched: Number of tensors that were set.
        missing: Tensors of the backbone that the file lacks: they stay as they were.
        unexpected: Tensors of the file that timm's network has no place for, under the file's names.
        mismatched: Tensors of another shape: (name, the backbone's, the file's).
        left_out: Tensors of the classifier and what comes before it, which a backbone no longer has.
        share: Of the backbone's parameters that were set, 0 to 1; counted over what drkit keeps of timm's network.
        passed_over: What stood before the names of further networks of this make, which are not used.
        is_converted: Whether names or shapes had to be brought to the backbone's, as from another side or from grey.
    """

    backbone: str
    source: str
    sha256: str
    place: str
    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, Shape, Shape], ...]
    left_out: tuple[str, ...]
    share: float
    passed_over: tuple[str, ...]
    is_converted: bool

    def render(self) -> Iterator[str | Table]:
        """What was set and what was not, in sentences."""
        under = f", under '{self.place}'" if self.place else ""
        way = " (converted)" if self.is_converted else ""
        yield (
            f"weights from {self.source}{under}: {self.matched} tensors matched{way}, {self.share:.1%} of the"
            f" parameters of {self.backbone}; {len(self.missing)} missing, {len(self.mismatched)} of another shape,"
            f" {len(self.unexpected)} unexpected, {len(self.left_out)} of a classifier"
        )
        if self.passed_over:
            yield f"also in the file, not used: {first_few(self.passed_over)}"
        yield from self.reasons()

    def reasons(self) -> Iterator[str]:
        """What was not set or not used, a sentence a kind."""
        if self.missing:
            yield f"missing, not set: {first_few(self.missing)}"
        if self.mismatched:
            shapes = [f"{name} {theirs}, expected {ours}" for name, ours, theirs in self.mismatched]
            yield f"of another shape, not set: {first_few(shapes, 3)}"
        if self.unexpected:
            yield f"unexpected, not used: {first_few(self.unexpected)}"

    def table(self) -> Table:
        """The first few tensors of each kind that do not fit."""
        shapes = ((name, str(ours), str(theirs)) for name, ours, theirs in self.mismatched)
        missing = ((name, "expected", "missing") for name in self.missing)
        unexpected = ((name, "no place for it", "there") for name in self.unexpected)
        rows = [row for kind in (shapes, missing, unexpected) for row in islice(kind, ROWS_OF_A_KIND)]
        columns = ("tensor", self.backbone, PurePath(self.source).name)
        return Table("what does not fit, the first of each kind", columns, rows)


class MisfitError(InputError):
    """A file of weights that is not the backbone's.

    Args:
        complaint: What is wrong.
        report: What would have become of the file's tensors.
        looks_like: A backbone that the file does fit, if one is known.
    """

    def __init__(self, complaint: str, report: WeightsReport, looks_like: str | None) -> None:
        advice = (
            f"the file looks like {looks_like}: choose --backbone {looks_like}"
            if looks_like
            else "choose the --backbone that the file was trained as, or another file"
        )
        super().__init__("; ".join([f"{report.source} {complaint}", *report.reasons(), advice]))
        self.report = report
        self.looks_like = looks_like
        self.table = report.table()
