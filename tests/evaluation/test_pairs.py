"""Two runs are compared only on the same photographs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from drkit.errors import InputError, LeakageError
from drkit.evaluation import check_pair, compare_cases, evaluated_rows, pair_cases, remark_pair
from drkit.records.predictions import Predictions


def test_the_evaluated_rows_are_those_of_val_or_of_the_folds(graded) -> None:
    run = graded("a")
    assert set(evaluated_rows(run).rows["split"]) == {"val"}
    folded = graded("b", folds=3)
    assert set(evaluated_rows(folded).rows["split"]) == {"train"}


def test_pairs_are_joined_by_name_and_never_by_place(graded) -> None:
    before, after = graded("a", seed=0), graded("b", seed=1)
    mixed = replace(after, rows=after.rows.sample(frac=1, random_state=5, ignore_index=True))
    (first,), (second,) = pair_cases(before, mixed)
    (straight,) = pair_cases(before, after)[1]
    assert np.array_equal(first.reference, second.reference)
    assert np.array_equal(second.predicted, straight.predicted)


def test_a_row_that_either_was_trained_on_is_not_compared(graded) -> None:
    before, after = graded("a"), graded("b")
    names = after.rows["image_id"][after.rows["split"] == "val"].tolist()
    leaking = replace(after, meta=replace(after.meta, trained_on_images=(names[0],)))
    cases = pair_cases(before, leaking)
    assert [len(side.reference) for (side,) in cases] == [len(names) - 1] * 2
    with pytest.raises(LeakageError, match="share no photograph that neither was trained on"):
        pair_cases(before, replace(after, meta=replace(after.meta, trained_on_images=tuple(names))))


def _reference(run: Predictions) -> pd.Series:
    rows = evaluated_rows(run)
    return rows.reference().set_axis(rows.rows["image_id"])


def test_runs_that_cannot_be_compared_are_refused(graded) -> None:
    run = graded("a")
    reference = _reference(run)
    check_pair(run, "patient", "image", 0, reference)
    with pytest.raises(InputError, match="gives the patient's grade, not the eye's"):
        check_pair(run, "eye", "image", 0, reference)
    with pytest.raises(InputError, match="a has the unit image, not patient: compare runs of one --unit"):
        check_pair(run, "patient", "patient", 0, reference)
    with pytest.raises(InputError, match="a has no folds, not 3"):
        check_pair(run, "patient", "image", 3, reference)
    with pytest.raises(InputError, match=r"evaluated on 40 photographs, not on the same 39; different: .*_l1"):
        check_pair(run, "patient", "image", 0, reference.iloc[1:])
    with pytest.raises(InputError, match="other reference grades of"):
        check_pair(run, "patient", "image", 0, (reference + 1) % 5)


def test_remarks_name_other_differences_and_reasons_for_optimism(graded) -> None:
    before, after = graded("a", options={"epochs": 6, "augment": {"x": 1}}), graded("b", options={"epochs": 12})
    remarks = remark_pair(before, after, {"attention_blocks"})
    assert "more than attention" in remarks[0]
    assert "augment, epochs (6, here 12)" in remarks[0]
    assert remark_pair(before, before, ()) == ()
    chosen = replace(after, meta=replace(after.meta, chosen_on="val"))
    assert "the epoch of b was selected" in remark_pair(after, chosen, ())[0]
    carried = replace(chosen.meta, provenance={**chosen.meta.provenance, "choose": "last"})
    told = remark_pair(after, replace(chosen, meta=carried), {"choose"})
    assert "the epoch of the weights that b started from was selected" in told[0]


def test_the_sentence_claims_no_more_than_the_interval(graded) -> None:
    poor, good = graded("poor", noise=2.5, seed=1), graded("good", noise=0.1, seed=2)
    there = compare_cases(("poor", "good"), *pair_cases(poor, good), num_photographs=40)
    back = compare_cases(("good", "poor"), *pair_cases(good, poor), num_photographs=40)
    same = compare_cases(("a", "b"), *pair_cases(good, good), num_photographs=40)
    assert there.interval[0] > 0
    assert there.sentence.startswith("good agrees better than poor: +")
    assert back.sentence.startswith("poor agrees worse than good: -")
    assert same.sentence.startswith("It is unclear which of b and a agrees better: +0.000")
    for difference in (there, back, same):
        assert difference.sentence.endswith(
            "One seed each: the interval does not include the variation between trainings."
        )
    assert same.probability_of_no_gain == 1
