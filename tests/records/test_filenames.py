"""File names made from image ids."""

from drkit.records.filenames import MAX_BYTES, shorten_name


def test_a_short_name_stays() -> None:
    assert shorten_name("347_l1") == "347_l1"
    assert shorten_name("x" * MAX_BYTES) == "x" * MAX_BYTES


def test_long_names_fit_and_stay_apart() -> None:
    names = [f"{'é' * 300}{number}" for number in range(20)]
    short = [shorten_name(name) for name in names]
    assert len(set(short)) == len(names)
    assert all(len(name.encode()) <= MAX_BYTES for name in short)
    assert [shorten_name(name) for name in short] == short
