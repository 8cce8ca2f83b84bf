"""File names made from ids, and the contents of a sheet."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drkit.explaining.pictures import FOR, SheetRow, draw_sheet, paint
from drkit.explaining.writing import name_files


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
def test_every_id_has_a_file_name_of_its_own(ids: list[str]) -> None:
    names = name_files(ids)
    assert len({name.lower() for name in names.values()}) == len(ids)
    assert not any(set(name) & set('/\\:*?"<>| \n') for name in names.values())


def test_plain_ids_are_their_own_names() -> None:
    assert name_files(["347_l1", "IDRiD.001", "a b", "a/b"]) == {
        "347_l1": "347_l1", "IDRiD.001": "IDRiD.001", "a b": "a_b", "a/b": "a_b-2",
    }  # fmt: skip


@pytest.mark.parametrize("reference", [None, 3])
def test_a_sheet_grows_with_its_rows_and_is_the_same_each_time(tmp_path: Path, reference: int | None) -> None:
    picture = np.full((64, 64, 3), 120, np.uint8)
    disc = np.ones((64, 64), dtype=bool)
    painted = paint(picture, np.eye(8), FOR, disc)
    row = SheetRow(
        "$1_l1$ reference 3", [("photograph", picture), ("for", painted)], (0.1, 0.2, 0.3, 0.4, 0.0), reference
    )
    one, two = draw_sheet([row], "title", ("for", "")), draw_sheet([row, row], "title", ("for", "against"))
    assert draw_sheet([row], "title", ("for", "")) == one
    shapes = [cv2.imdecode(np.frombuffer(sheet, np.uint8), cv2.IMREAD_COLOR).shape for sheet in (one, two)]
    assert shapes[1][0] > 1.4 * shapes[0][0]
    assert shapes[1][1] == shapes[0][1]
