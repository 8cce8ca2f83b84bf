"""Photographs that cannot be scored fairly: each way in which the weights know them already."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reporters import Recorder

from drkit import progress
from drkit.config.training import TrainingConfig
from drkit.errors import LeakageError
from drkit.records.labels import Labels, build_rows
from drkit.training.leakage import Leakage, check_leakage
from drkit.training.plan import TrainingPlan
from drkit.training.planning import plan_training

TRAIN, VAL, TEST = range(8), range(8, 12), range(12, 16)
SPLITS = ["train"] * len(TRAIN) + ["val"] * len(VAL) + ["test"] * len(TEST)
DIFFERENT = tuple(f"content of {row}" for row in range(len(SPLITS)))


def plan(**options: object) -> TrainingPlan:
    """Eight patients with two photographs each: four patients of train, two of val and two of test."""
    size = len(SPLITS)
    rows = build_rows(
        image_id=[f"p{row}" for row in range(size)],
        path=[f"eyes/p{row}.jpg" for row in range(size)],
        patient_id=[f"{row // 2}" for row in range(size)],
        eye_grade=[row // 2 % 2 for row in range(size)],
        split=SPLITS,
    )
    config = TrainingConfig(
        data=[Path("eyes")], backbone="test_efficientnet", weights="none", size=64, epochs=1, device="cpu", **options
    )
    return plan_training(Labels(rows, Path("eyes"), "test", ("eye",)), config)


def started_from(plan: TrainingPlan, *, seen: Iterable[int] = (), chosen_by: Iterable[int] = ()) -> TrainingPlan:
    """The plan with initial weights that were trained on some rows, and whose epoch others selected."""
    known = {"seen": seen, "chosen_by": chosen_by}
    contents = {key: frozenset(DIFFERENT[row] for row in rows) for key, rows in known.items()}
    return replace(plan, initial_weights=replace(plan.initial_weights, **contents))


def copied(**originals: int) -> list[str]:
    """Contents of the photographs, of which some, by id, are those of another row."""
    contents = list(DIFFERENT)
    for name, original in originals.items():
        contents[int(name[1:])] = DIFFERENT[original]
    return contents


def check(plan: TrainingPlan, contents: Iterable[str] = DIFFERENT) -> tuple[Leakage, list[str]]:
    """The result, and the warnings."""
    reported = Recorder()
    with progress.reporting_to(reported):
        return check_leakage(plan, list(contents)), reported.warnings


def rows_of(leakage: Leakage) -> dict[str, list[int]]:
    masks = {"seen": leakage.seen, "leaked": leakage.leaked, "optimistic": leakage.optimistic}
    return {name: np.flatnonzero(mask).tolist() for name, mask in masks.items() if mask.any()}


@pytest.mark.parametrize("options", [{}, {"choose": "inner"}, {"folds": 2}, {"folds": 2, "folds_over": "train+val"}])
def test_photographs_that_all_differ_do_not_leak(options: dict[str, object]) -> None:
    leakage, warnings = check(plan(**options))
    assert rows_of(leakage) == {}
    assert leakage.seen.shape == leakage.leaked.shape == leakage.optimistic.shape == (len(SPLITS),)
    assert warnings == []


def test_weights_that_were_trained_on_photographs_to_be_scored_are_refused() -> None:
    with pytest.raises(LeakageError, match="trained on 2 photographs that this training would be scored on: p8, p12:"):
        check(started_from(plan(), seen=[0, 8, 12]))


def test_with_allow_seen_they_are_marked_and_not_scored() -> None:
    leakage, warnings = check(started_from(plan(allow_seen=True), seen=[0, 8, 12]))
    assert rows_of(leakage) == {"seen": [8, 12], "leaked": [8, 12]}
    assert warnings == ["2 photographs to be scored are also trained on: they will not be scored"]


def test_weights_may_continue_on_their_training_photographs_unless_these_are_scored() -> None:
    """With folds, the photographs of train are scored."""
    assert rows_of(check(started_from(plan(), seen=TRAIN))[0]) == {}
    with pytest.raises(LeakageError, match="trained on 8 photographs"):
        check(started_from(plan(folds=2), seen=TRAIN))
    leakage, _ = check(started_from(plan(folds=2, allow_seen=True), seen=[3, 15]))
    assert rows_of(leakage) == {"seen": [3, 15], "leaked": [3, 15]}


def test_photographs_are_recognised_by_the_hashes_that_are_given_and_the_packaged_runs_of_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Copies that were saved again are found by appearance; `tests/packaged` does that with real files."""
    appearance = [Path("eyes/p9.jpg")]
    monkeypatch.setattr("drkit.duplicates.seen.read_seen", lambda path: path)
    monkeypatch.setattr("drkit.duplicates.seen.find_packaged_run", lambda name: SimpleNamespace(seen_photographs=name))
    monkeypatch.setattr("drkit.duplicates.seen.hash_all", lambda paths, workers, scheduler: [workers] * len(paths))

    def find_copies(paths: list[Path], hashes: list[int], seen: str) -> np.ndarray:
        assert set(hashes) == {3}
        return np.array([path in appearance and seen == "fundus" for path in paths])

    monkeypatch.setattr("drkit.duplicates.seen.find_copies", find_copies)
    own = plan(allow_seen=True, workers=3)
    descended = replace(own, initial_weights=replace(own.initial_weights, descends_from=("fundus",)))
    assert rows_of(check(descended)[0]) == {"seen": [9], "leaked": [9]}
    assert rows_of(check(own)[0]) == {}


def test_a_photograph_that_is_also_in_train_is_marked() -> None:
    leakage, warnings = check(plan(), copied(p9=1, p14=0))
    assert rows_of(leakage) == {"leaked": [9, 14]}
    assert warnings == ["2 photographs to be scored are also trained on: they will not be scored"]
    assert rows_of(check(plan(), copied(p14=8))[0]) == {}  # val is not trained on
    both = started_from(plan(allow_seen=True), seen=[1])
    assert rows_of(check(both, copied(p9=1))[0]) == {"seen": [9], "leaked": [9]}


def test_a_photograph_that_also_selects_the_epoch_as_inner_is_marked() -> None:
    inner = plan(choose="inner")
    (row, *_) = inner.fold_splits[0].inner
    assert rows_of(check(inner, copied(p12=row))[0]) == {"leaked": [12]}


def test_a_photograph_that_a_fold_holds_out_and_trains_on_in_a_copy_is_marked() -> None:
    folds = plan(folds=2)
    first, second = (split.held_out.tolist() for split in folds.fold_splits)
    across, within = {f"p{first[0]}": second[0]}, {f"p{first[0]}": first[-1]}
    assert rows_of(check(folds, copied(**across))[0]) == {"leaked": sorted([first[0], second[0]])}
    assert rows_of(check(folds, copied(**within))[0]) == {}  # no network is trained on one and predicts the other


def test_a_photograph_that_no_fold_holds_out_is_predicted_by_the_networks_of_all() -> None:
    folds = plan(folds=2, folds_over="train+val")
    for split in folds.fold_splits:
        assert rows_of(check(folds, copied(p12=split.train[0]))[0]) == {"leaked": [12]}


def test_a_photograph_that_selected_the_epoch_of_the_initial_weights_is_reported_and_scored() -> None:
    leakage, warnings = check(started_from(plan(), chosen_by=[2, 8, 9, 12]))
    assert rows_of(leakage) == {"optimistic": [8, 9, 12]}
    (warning,) = warnings
    assert warning.startswith("3 photographs to be scored selected the epoch of the initial weights:")
