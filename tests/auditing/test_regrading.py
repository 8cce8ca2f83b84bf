"""The agreement between grades of photographs that were graded under several ids."""

import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from drkit.auditing.duplicates import DuplicateGroup
from drkit.auditing.regrading import MIN_PAIRS, find_regraded


def copies(first, second, kind="identical-photographs"):
    """Two ids of one photograph, with an eye grade each."""
    ids, grades = ["a", "b"], pd.array([first, second], "Int64")
    columns = {"image_id": ids, "path": ["a.jpg", "b.jpg"], "eye_grade": grades, "source": "eyes"}
    rows = pd.DataFrame(columns | {"patient_grade": pd.array([None, None], "Int64")})
    return DuplicateGroup(rows, ("a.jpg", "b.jpg"), 1.0, kind.startswith("identical"), kind)


GRADES = [(0, 0), (0, 1), (2, 2), (2, 4), (3, 2), (4, 4), (1, 1)] * 3


@pytest.mark.parametrize("kind", ["identical-photographs", "near-duplicates-across-splits"])
def test_kappa_takes_neither_grade_for_the_reference(kind):
    (finding,) = find_regraded([copies(*pair, kind) for pair in GRADES])
    first, second = map(list, zip(*GRADES, strict=True))
    kappa = cohen_kappa_score(first + second, second + first, weights="quadratic")
    assert f"{len(GRADES)} pairs" in finding.sentence
    assert f"quadratic kappa {kappa:.3f} (" in finding.sentence
    assert "equal in 57%" in finding.sentence
    assert finding.sources == ("eyes",)


def test_few_pairs_and_views_of_one_eye_give_no_agreement():
    assert not list(find_regraded([copies(*pair) for pair in GRADES[: MIN_PAIRS - 1]]))
    assert not list(find_regraded([copies(*pair, "views-alike") for pair in GRADES]))
    assert not list(find_regraded([copies(2, None) for _ in GRADES]))


def test_each_pair_of_three_ids_counts():
    three = [copies(1, 2) for _ in range(7)]
    for group in three:
        group.rows.loc[2] = ["c", "c.jpg", 1, "eyes", pd.NA]
    (finding,) = find_regraded(three)
    assert "21 pairs" in finding.sentence
