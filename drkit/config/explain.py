"""The options of `drkit explain`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from typer import Option

from drkit.catalogue import EXPLAINERS, find
from drkit.config.shared import DEFAULT_DATA, Data, Force, KeepGoing, Seed, UseDevice, Workers
from drkit.errors import UsageError, did_you_mean
from drkit.grades import NUM_GRADES, Split

ALL_METHODS = tuple(name for name in EXPLAINERS if name != "attention")  # not every run has attention
EXPLAIN_TARGETS: tuple[str, ...] = ("predicted", "reference", "score", *map(str, range(NUM_GRADES)))

_METHODS_HELP = "; ".join(f"{name}: {entry.summary}" for name, entry in EXPLAINERS.items())


@dataclass(frozen=True)
class SelectionCriteria:
    """Criteria for the photographs to explain; at most one of the five.

    Args:
        ids: Their ids, as the predictions spell them.
        worst: Number of photographs whose score is furthest from their reference grade.
        best: Number of photographs whose score is nearest to it.
        between: Photographs borderline between these two grades.
        per_grade: Number of typical photographs of each reference grade.
    """

    ids: tuple[str, ...] = ()
    worst: int | None = None
    best: int | None = None
    between: tuple[int, int] | None = None
    per_grade: int | None = None

    def __post_init__(self) -> None:
        """Check the combination.

        Raises:
            UsageError: more than one criterion, or grades that are off the scale or equal.
        """
        named = {"--ids": bool(self.ids), "--worst": self.worst, "--best": self.best, "--between": self.between}
        given = [name for name, value in {**named, "--per-grade": self.per_grade}.items() if value]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} cannot be combined: select photographs by one of them")
        if self.between and not (0 <= self.between[0] < self.between[1] < NUM_GRADES):
            raise UsageError(
                f"--between {self.between[0]},{self.between[1]}: expected two different grades, the lower first, e.g."
                " 2,3"
            )

    @property
    def needs_references(self) -> bool:
        """Whether reference grades decide which photographs are selected."""
        return bool(self.worst or self.best or self.between or self.per_grade)

    @property
    def is_any(self) -> bool:
        """Whether no criterion is given."""
        return not self.ids and not self.needs_references


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Which photographs are explained, by which methods, and where the maps go."""

    data: Data = field(default_factory=DEFAULT_DATA.copy)
    method: Annotated[
        str, Option(help=f"Methods, separated by commas, or all (all but attention). {_METHODS_HELP}.")
    ] = "gradcam"
    split: Annotated[
        Split | None,
        Option(help="Explain only photographs of this split; all of them, unless another option selects some."),
    ] = None
    ids: Annotated[str | None, Option(help="Explain these photographs: ids separated by commas.")] = None
    worst: Annotated[
        int | None,
        Option(min=1, help="Explain this many photographs, those whose score is furthest from the reference grade."),
    ] = None
    best: Annotated[
        int | None,
        Option(min=1, help="Explain this many photographs, those whose score is nearest to the reference grade."),
    ] = None
    between: Annotated[
        str | None, Option(metavar="A,B", help="Explain photographs that are borderline between two grades, e.g. 2,3.")
    ] = None
    per_grade: Annotated[
        int | None, Option(min=1, help="Explain this many typical photographs of each reference grade.")
    ] = None
    target_grade: Annotated[
        str | None,
        Option(
            metavar="GRADE",
            help="What to explain: the predicted or the reference grade, a grade 0-4, or the score (orange then means a"
            " worse grade). Default: predicted for runs trained with cross-entropy, score for all others.",
        ),
    ] = None
    layer: Annotated[
        str | None, Option(help="Layer whose feature map is used, e.g. layer3. Default: the backbone's last.")
    ] = None
    fold: Annotated[
        int | None,
        Option(min=0, help="Use only this fold's network. Default: the networks not trained on the photograph."),
    ] = None
    network_seed: Annotated[
        int | None,
        Option(min=0, help="Use only the networks trained with this seed. Default: the mean over all seeds."),
    ] = None
    faithfulness: Annotated[
        bool,
        Option(
            "--faithfulness",
            help="Measure faithfulness: deletion and insertion, compared with noise and with randomised weights.",
        ),
    ] = False
    lesions: Annotated[
        Path | None,
        Option(help="Folder of lesion masks to compare the maps with: ID.png, ID_KIND.png or KIND/ID.png."),
    ] = None
    lesion_kinds: Annotated[
        str | None,
        Option(
            help="Kinds of mask that count as lesions: words in their names, separated by commas. Default: all but"
            " optic disc, macula, fovea and vessels."
        ),
    ] = None
    predictions: Annotated[
        Path | None,
        Option(
            help="Predictions of the run to use instead of its own. Photographs without a prediction are graded first."
        ),
    ] = None
    out: Annotated[Path | None, Option(help="Folder to write. Default: explanations/<run>-<method>.")] = None
    force: Force = False
    device: UseDevice = "auto"
    workers: Workers = None
    seed: Seed = 0
    keep_going: KeepGoing = False

    def __post_init__(self) -> None:
        """Check the names and the criteria.

        Raises:
            UsageError: no method or an unknown one, an unknown target, or criteria that do not fit together.
        """
        if not self.methods:
            raise UsageError(f"--method: expected one or more of {', '.join(EXPLAINERS)}")
        for method in self.methods:
            find(EXPLAINERS, "method", method)
        if self.target_grade is not None and self.target_grade not in EXPLAIN_TARGETS:
            raise UsageError(f"--target-grade {self.target_grade}: {did_you_mean(self.target_grade, EXPLAIN_TARGETS)}")
        _ = self.criteria

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the catalogue's words."""
        return ALL_METHODS if self.method == "all" else _words(self.method)

    @property
    def criteria(self) -> SelectionCriteria:
        """Which photographs are explained.

        Raises:
            UsageError: criteria that do not fit together, or not two grades.
        """
        return SelectionCriteria(_words(self.ids), self.worst, self.best, _parse_pair(self.between), self.per_grade)

    @property
    def lesion_words(self) -> tuple[str, ...]:
        """Words in the names of the kinds of mask that count as lesions; none for the default."""
        return _words(self.lesion_kinds)


def _words(text: str | None) -> tuple[str, ...]:
    """The words of a list with commas between them, each once."""
    return tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))


def _parse_pair(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    words = _words(text)
    if len(words) != 2 or not all(word.isascii() and word.isdecimal() for word in words):
        raise UsageError(f"--between {text}: expected two grades, e.g. 2,3")
    return int(words[0]), int(words[1])
