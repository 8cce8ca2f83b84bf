"""Agreement of graders with themselves, on photographs that a data set grades more than once."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from drkit.auditing.duplicates import DuplicateGroup
from drkit.auditing.findings import Finding, make_finding
from drkit.evaluation.agreement import measure_agreement, with_interval
from drkit.grades import TARGETS, grade_column

MIN_PAIRS = 20  # for a meaningful kappa
_VIEWS = ("views-alike", "views-saved-twice")  # views of one eye share one grade


def find_regraded(copies: Sequence[DuplicateGroup]) -> Iterator[Finding]:
    """Measure Cohen's kappa between grades of copies of one photograph, if there are at least `MIN_PAIRS` pairs.

    It shows the noise of the reference grades. Each pair of ids counts once in each order, because neither grade is the
    reference; intervals are over photographs.
    """
    photographs = [group for group in copies if group.kind not in _VIEWS]
    for target in TARGETS:
        column = grade_column(target)
        pairs = [(number, *pair) for number, group in enumerate(photographs) for pair in _pair_up(group, column)]
        if len(pairs) < MIN_PAIRS:
            continue
        photograph, first, second = map(list, zip(*pairs, strict=True))
        agreement = measure_agreement(first + second, second + first, photograph * 2)
        quadratic = with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval)
        plain = with_interval(agreement.plain_kappa, agreement.plain_kappa_interval)
        sentence = (
            f"the {target}'s grades of {len(pairs)} pairs of ids that show the same photograph: quadratic "
            f"kappa {quadratic}, plain kappa {plain}, equal in {agreement.accuracy:.0%}"
        )
        sources = dict.fromkeys(source for group in photographs for source in group.rows["source"])
        yield make_finding("graded-twice", sentence, (), (), sources)


def _pair_up(group: DuplicateGroup, column: str) -> Iterator[tuple[int, int]]:
    """The two grades of each pair of ids with different files or with identical copies."""
    graded = group.rows[group.rows[column].notna()]
    for (_, one), (_, other) in combinations(graded.iterrows(), 2):
        if one["image_id"] != other["image_id"] and (group.is_identical or one["path"] != other["path"]):
            yield int(one[column]), int(other[column])
