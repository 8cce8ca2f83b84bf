"""Units contain the photographs of an eye or patient and no others, also if some are missing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.data.units import UnitIndex, build_units, unit_grades
from drkit.errors import InputError, UsageError
from drkit.records.labels import Labels, build_rows

Photograph = tuple[str | None, str | None, int | None]  # patient, eye, view


def _labels(photographs: list[Photograph], *, split: list[str] | None = None, **columns: list[object]) -> Labels:
    patients, eyes, views = zip(*photographs, strict=True)
    names = [f"p{number}" for number in range(len(photographs))]
    rows = build_rows(
        image_id=names,
        path=[f"/x/{name}.jpg" for name in names],
        patient_id=patients,
        eye=eyes,
        view=views,
        split=split or ["train"] * len(names),
        **columns,
    )
    return Labels(rows, Path("data"), "test", ("patient", "eye"))


WHOLE: list[Photograph] = [
    ("a", "right", 2), ("b", "left", 1), ("a", "left", 2), ("a", "right", 1), ("b", "right", 1), ("a", "left", 1),
]  # fmt: skip


def test_a_photograph_an_eye_and_a_patient() -> None:
    found = {kind: build_units(_labels(WHOLE), kind) for kind in ("image", "eye", "patient")}
    assert [rows.tolist() for rows in found["image"].rows_of] == [[row] for row in range(6)]
    assert sorted(rows.tolist() for rows in found["eye"].rows_of) == [[1], [3, 0], [4], [5, 2]]
    assert sorted(rows.tolist() for rows in found["patient"].rows_of) == [[1, 4], [5, 2, 3, 0]]
    assert [found[kind].num_slots for kind in found] == [1, 2, 4]


def test_slots_are_by_view_and_the_left_eye_comes_first() -> None:
    units = build_units(_labels(WHOLE), "patient")
    assert units.slot_of.tolist() == [
        3,
        0,
        1,
        2,
        2,
        0,
    ]  # the right eye of b keeps its slots
    assert build_units(_labels(WHOLE), "eye").slot_of.tolist() == [1, 0, 1, 0, 0, 0]


def test_a_missing_left_eye_leaves_its_slots_empty() -> None:
    units = build_units(_labels([*WHOLE, ("c", "right", 1)]), "patient")
    assert units.slot_of[-1] == 2
    assert units.batch(np.array([units.unit_of[-1]])).index.slot.tolist() == [2]


def test_the_number_of_slots_is_that_of_the_network() -> None:
    """A network that was trained on two views per eye can grade a data set with one."""
    labels = _labels([("a", "left", 1), ("a", "right", 1)])
    assert build_units(labels, "patient").slot_of.tolist() == [0, 1]
    units = build_units(labels, "patient", num_slots=4)
    assert (units.slot_of.tolist(), units.num_slots) == ([0, 2], 4)


def test_photographs_of_unknown_patients_or_eyes_are_units_of_their_own() -> None:
    labels = _labels([(None, "left", 1), (None, "left", 1), ("a", None, None), ("a", None, None), ("a", "left", 1)])
    assert len(build_units(labels, "eye")) == 5
    assert len(build_units(labels, "patient")) == 3


def test_patients_without_known_eyes_fill_their_slots_in_order() -> None:
    units = build_units(_labels([("a", None, None), ("a", None, None), ("b", None, None)]), "patient")
    assert (units.slot_of.tolist(), units.num_slots) == ([0, 1, 0], 2)


def test_photographs_of_unknown_eyes_are_refused() -> None:
    with pytest.raises(UsageError, match="does not state which eye a photograph shows: use --unit image or patient"):
        build_units(_labels([("a", None, None), ("a", None, None)]), "eye")
    assert len(build_units(_labels([("a", None, None), ("b", None, None)]), "eye")) == 2  # one photograph each


def test_no_unit_spans_two_splits() -> None:
    labels = _labels(WHOLE, split=["train", "val", "test", "train", "val", "test"])
    for kind in ("eye", "patient"):
        units = build_units(labels, kind)
        splits = labels.rows["split"].to_numpy()
        assert all(len(set(splits[rows])) == 1 for rows in units.rows_of)
        places = units.batch(np.arange(len(units))).index
        assert all(len(set(places.unit[places.eye == eye].tolist())) == 1 for eye in range(places.num_eyes))


def test_a_unit_that_is_twice_in_a_batch_counts_as_two_units() -> None:
    units = build_units(_labels(WHOLE), "patient")
    once, twice = units.batch(np.array([0])), units.batch(np.array([0, 0]))
    assert twice.rows.tolist() == 2 * once.rows.tolist()
    assert (twice.index.num_units, twice.index.num_eyes) == (2, 2 * once.index.num_eyes)
    assert not set(twice.index.eye[:4].tolist()) & set(twice.index.eye[4:].tolist())
    assert twice.eyes.tolist() == 2 * once.eyes.tolist()


def test_a_batch_has_the_requested_order() -> None:
    units = build_units(_labels(WHOLE), "eye")
    numbers = np.array([2, 0, 3])
    batch = units.batch(numbers)
    assert batch.index.unit.tolist() == sorted(batch.index.unit.tolist())
    assert units.unit_of[batch.rows].tolist() == numbers[batch.index.unit.numpy()].tolist()


_PHOTOGRAPH = st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from(["left", "right"]), st.integers(1, 3))


@settings(max_examples=60)
@given(st.lists(_PHOTOGRAPH, min_size=1, max_size=14), st.sampled_from(["image", "eye", "patient"]))
def test_every_photograph_is_in_one_slot_of_one_unit(photographs: list[Photograph], kind: str) -> None:
    units = build_units(_labels(photographs), kind)  # type: ignore[arg-type]
    batch = units.batch(np.arange(len(units)))
    places = batch.index
    assert sorted(batch.rows.tolist()) == list(range(len(photographs)))
    pairs = list(zip(places.unit.tolist(), places.slot.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert int(places.slot.max()) < units.num_slots
    assert units.eye_of[batch.rows].tolist() == batch.eyes[places.eye.numpy()].tolist()
    for rows in units.rows_of:
        assert len({photographs[row][0] for row in rows}) == 1
        assert kind == "patient" or len({photographs[row][1] for row in rows}) == 1


@settings(max_examples=30)
@given(st.permutations(range(6)), st.sampled_from(["eye", "patient"]))
def test_the_order_of_the_rows_does_not_matter(order: list[int], kind: str) -> None:
    labels = _labels(WHOLE)
    shuffled = replace(labels, rows=labels.rows.iloc[order])
    before, after = build_units(labels, kind), build_units(shuffled, kind)  # type: ignore[arg-type]
    assert after.slot_of.tolist() == before.slot_of[order].tolist()
    together = {frozenset(labels.rows["image_id"].iloc[rows]) for rows in before.rows_of}
    assert {frozenset(shuffled.rows["image_id"].iloc[rows]) for rows in after.rows_of} == together


def test_a_units_grade_is_its_photographs() -> None:
    labels = _labels(WHOLE, patient_grade=[3, 1, 3, None, 1, 3], eye_grade=[None] * 6)
    units = build_units(labels, "patient")
    assert unit_grades(labels, units, "patient").tolist() == [3, 1]
    assert unit_grades(labels, units, "eye").tolist() == [-1, -1]


def test_contradicting_grades_are_refused_naming_photographs() -> None:
    labels = _labels(WHOLE, patient_grade=[3, 1, 2, 3, 1, 3])
    with pytest.raises(InputError, match=r"1 units of kind patient have photographs with different patient grades.*p2"):
        unit_grades(labels, build_units(labels, "patient"), "patient")
    assert unit_grades(labels, build_units(labels, "image"), "patient").tolist() == [3, 1, 2, 3, 1, 3]


def test_unrelated_photographs_are_a_unit_and_an_eye_each() -> None:
    places = UnitIndex.alone(3)
    assert places.unit.tolist() == places.eye.tolist() == [0, 1, 2]
    assert places.slot.tolist() == [0, 0, 0]
    assert (places.num_units, places.num_eyes) == (3, 3)
