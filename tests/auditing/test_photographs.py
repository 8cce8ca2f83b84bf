"""One look at every photograph."""

import cv2
import numpy as np
import pytest

from drkit.auditing.photographs import find_poor_photographs, has_light_surround, is_blank, look_at, look_at_all
from drkit.auditing.roll import call_the_roll
from drkit.records.layouts.survey import survey_dataset
from drkit.records.provenance import sha256_file


def kinds(folder):
    rows = call_the_roll([(folder, survey_dataset(folder))])
    found = find_poor_photographs(rows, look_at_all(rows["path"].tolist()))
    return {(finding.kind, finding.ids) for finding in found}


def test_a_good_photograph_is_hashed_and_nothing_is_found(tmp_path, fundus, save):
    path = save(fundus(0), tmp_path / "a.jpg")
    sight = look_at(str(path))
    assert (sight.size, sight.refusal, sight.is_light) == ((320, 320), None, False)
    assert sight.sha256 == sha256_file(path)
    assert sight.bits.shape == (3, 4)
    assert kinds(tmp_path) == set()


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


def test_a_white_surround_is_told_from_a_black_one_and_from_a_retina_without(fundus):
    white = fundus(0).copy()
    white[white.sum(axis=2) < 30] = 255
    assert has_light_surround(white)
    assert not has_light_surround(fundus(0))
    assert not has_light_surround(fundus(0)[90:230, 90:230])


def test_a_dark_fundus_is_not_blank(fundus):
    assert not is_blank((0.25 * fundus(0)).astype(np.uint8))
    assert is_blank(np.random.default_rng(0).integers(40, 44, (64, 64, 3)).astype(np.uint8))


def test_a_path_is_looked_at_once(tmp_path, fundus, save):
    path = str(save(fundus(0), tmp_path / "a.jpg"))
    assert list(look_at_all([path, path])) == [path]


def test_a_photograph_that_went_away_is_refused_in_words(tmp_path):
    assert "cannot be read" in str(look_at(str(tmp_path / "gone.jpg")).refusal)
