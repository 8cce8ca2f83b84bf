"""Titles of plots of several runs."""

from drkit.plotting.selection import panel_title, shared_title


def test_runs_that_are_scored_alike_share_their_title(cohort) -> None:
    runs = [cohort("a"), cohort("b", seed=1)]
    assert shared_title(runs) == runs[0].title == "eye's grade, val, by photograph, 160 photographs of 40 patients"
    assert [panel_title(run, runs) for run in runs] == ["a", "b"]


def test_titles_state_what_all_runs_share_and_panels_the_differences(cohort) -> None:
    runs = [cohort("a"), cohort("b", target="patient")]
    assert shared_title(runs) == (
        "val, by photograph, 160 photographs of 40 patients; other conditions differ between runs"
    )
    assert [panel_title(run, runs) for run in runs] == ["a: eye's grade", "b: patient's grade"]


def test_runs_that_share_nothing_are_said_to_differ(cohort) -> None:
    eyes, patients = cohort("a"), cohort("b", by="patient")
    patients.predictions.rows["split"] = "test"
    runs = [eyes, patients]
    assert shared_title(runs) == "the runs are scored on different cases"
    assert panel_title(patients, runs) == "b: patient's grade, test, by patient, 40 patients"
