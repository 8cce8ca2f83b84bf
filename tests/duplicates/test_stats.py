"""Every photograph is read once."""

import numpy as np

from drkit.duplicates.stats import has_light_surround, is_blank, measure_photograph, measure_photographs
from drkit.records.provenance import sha256_file


def test_a_good_photograph_is_hashed(tmp_path, fundus, save):
    path = save(fundus(0), tmp_path / "a.jpg")
    stats = measure_photograph(str(path))
    assert (stats.size, stats.refusal, stats.is_light) == ((320, 320), None, False)
    assert stats.sha256 == sha256_file(path)
    assert stats.bits.shape == (3, 4)


def test_white_and_black_surrounds_and_a_photograph_without_surround_are_distinguished(fundus):
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
    assert list(measure_photographs([path, path])) == [path]


def test_a_photograph_that_went_away_is_refused_in_words(tmp_path):
    assert "cannot be read" in str(measure_photograph(str(tmp_path / "gone.jpg")).refusal)
