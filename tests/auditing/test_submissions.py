"""Submissions that Kaggle would refuse or misread."""

import time

import pytest

from drkit.auditing.submissions import find_submission_faults, is_submission
from drkit.records.submission import Sample


@pytest.fixture
def found(tmp_path):
    def audit(text, *ids):
        path = tmp_path / "s.csv"
        path.write_bytes(text.encode())
        sample = Sample(ids, tmp_path / "sample.csv") if ids else None
        return [(finding.kind, finding.ids) for finding in find_submission_faults(path, sample)]

    return audit


def test_a_sound_submission_in_any_order(found):
    assert found("ID,TARGET\r\nb.jpg,0\r\na.jpg,4\r\n", "a.jpg", "b.jpg") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID,TARGET\na.jpg,0\n", ("id-missing", ("b.jpg",))),
        ("ID,TARGET\na.jpg,0\nb.jpg,0\nc.jpg,1\n", ("id-surplus", ("c.jpg",))),
        ("ID,TARGET\na.jpg,0\nb.jpg,0\nb.jpg,0\n", ("id-twice", ("b",))),
        ("ID,TARGET\na.jpg,0\nb.jpg,5\n", ("grade-off-scale", ("b.jpg",))),
        ("ID,TARGET\na.jpg,0\nb.jpg,1.0\n", ("grade-off-scale", ("b.jpg",))),
        ("ID,TARGET\na.jpg,0\nb.jpg,\n", ("grade-off-scale", ("b.jpg",))),
        ("ID,TARGET\na.jpg,0\nb,1\n", ("id-missing", ("b.jpg",))),
        ("ID,TARGET\na.jpg,0\nb.jpg,1\n,1\n", ("empty-id", ())),
        ("id,target\na.jpg,0\nb.jpg,1\n", ("wrong-columns", ())),
        ("ID,TARGET,score\na.jpg,0,1\nb.jpg,1,1\n", ("wrong-columns", ())),
    ],
)
def test_one_mistake_is_one_finding(found, text, expected):
    assert found(text, "a.jpg", "b.jpg") == [expected]


def test_surplus_ids_are_in_the_order_of_the_file(found):
    surplus = [f"{number}.jpg" for number in range(50, 0, -1)]
    text = "\n".join(["ID,TARGET", "a.jpg,0", *(f"{name},1" for name in surplus)])
    assert found(text, "a.jpg") == [("id-surplus", (name,)) for name in surplus]


def test_ids_are_compared_in_linear_time(found):
    """Twenty thousand ids take a fraction of a second; a search through all of them for each would take minutes."""
    names = [f"{number}_left.jpg" for number in range(20_000)]
    started = time.process_time()
    assert found("\n".join(["ID,TARGET", *(f"{name},1" for name in names)]), *names) == []
    assert time.process_time() - started < 10


def test_a_file_with_other_columns_has_a_single_finding(found):
    assert found("image,grade\na.jpg,0\n", "a.jpg") == [("wrong-columns", ())]


def test_without_a_sample_only_the_file_itself_is_checked(found):
    assert found("ID,TARGET\nq,0\nq,9\n") == [("id-twice", ("q",)), ("grade-off-scale", ("q",))]


def test_which_files_are_submissions(tmp_path):
    (tmp_path / "s.csv").write_text("ID,TARGET\na,0")
    (tmp_path / "l.csv").write_text("image,grade\na,0")
    assert is_submission(tmp_path / "s.csv")
    assert not is_submission(tmp_path / "l.csv")
    assert not is_submission(tmp_path)
