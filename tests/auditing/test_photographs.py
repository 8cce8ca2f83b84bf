"""Photographs that spoil a training."""

import cv2
import numpy as np
import pytest

from drkit.auditing.photographs import find_poor_photographs
from drkit.auditing.roll import call_the_roll
from drkit.duplicates.looking import look_at_all
from drkit.records.layouts.survey import survey_dataset


def kinds(folder):
    rows = call_the_roll([(folder, survey_dataset(folder))])
    found = find_poor_photographs(rows, look_at_all(rows["path"].tolist()))
    return {(finding.kind, finding.ids) for finding in found}


def test_broken_photographs_are_findings_not_refusals(tmp_path, fundus, save):
    save(fundus(0), tmp_path / "good.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:2000])
    (tmp_path / "empty.jpg").write_bytes(b"")
    save(np.full((300, 300, 3), 40, np.uint8), tmp_path / "grey.jpg")
    assert kinds(tmp_path) == {
        ("unreadable-photograph", ("cut",)),
        ("unreadable-photograph", ("empty",)),
        ("blank-photograph", ("grey",)),
    }


@pytest.mark.parametrize(("side", "kind"), [(40, "tiny-photograph"), (200, "small-photograph")])
def test_small_photographs(tmp_path, fundus, save, side, kind):
    save(cv2.resize(fundus(0), (side, side), interpolation=cv2.INTER_AREA), tmp_path / "a.jpg")
    assert kinds(tmp_path) == {(kind, ("a",))}


def test_of_a_good_photograph_nothing_is_found(tmp_path, fundus, save):
    save(fundus(0), tmp_path / "a.jpg")
    assert kinds(tmp_path) == set()
