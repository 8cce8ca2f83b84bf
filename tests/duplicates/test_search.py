"""Copies have the same number, also if other copies connect them."""

import numpy as np

from drkit.duplicates.search import number_copies


def test_copies_of_copies_have_one_number_and_a_broken_file_is_like_no_other(tmp_path, fundus, save):
    first = save(fundus(0), tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(first.read_bytes())
    save(fundus(0), tmp_path / "c.jpg", 50)
    save(fundus(1), tmp_path / "d.jpg")
    (tmp_path / "e.jpg").write_bytes(b"")
    (tmp_path / "f.jpg").write_bytes(b"")
    numbers = number_copies([str(tmp_path / f"{name}.jpg") for name in "adbecf"])
    _, found = np.unique(numbers, return_inverse=True)
    assert found[[0, 2, 4]].tolist() == [found[0]] * 3
    assert len(set(found[[0, 1, 3, 5]].tolist())) == 4
    assert number_copies([str(tmp_path / "d.jpg")]).tolist() == [0]


def test_real_copies_are_found(shared_data):
    """IDRiD's own: 021 and 391 are identical files, 013 and 397 near duplicates."""
    photographs = sorted((shared_data / "IDRiD" / "1. Original Images" / "a. Training Set").glob("*.jpg"))
    number = dict(zip((path.stem for path in photographs), number_copies(list(map(str, photographs))), strict=True))
    assert number["IDRiD_021"] == number["IDRiD_391"]
    assert number["IDRiD_013"] == number["IDRiD_397"]
    assert len(set(number.values())) > len(number) - 12
