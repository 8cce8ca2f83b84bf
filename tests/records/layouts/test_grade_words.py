import pandas as pd
import pytest

from drkit.errors import InputError
from drkit.records.layouts.grade_words import grade_of_word, read_grades
from drkit.records.layouts.tables import open_table


@pytest.mark.parametrize(
    ("grade", "words"),
    [
        (0, ["No_DR", "NoDR", "no dr", "Normal", "No apparent retinopathy", "anodr", "anoDR", "0 - No DR", "0"]),
        (1, ["Mild", "mild NPDR", "MildNPDR", "bmilddr", "Mild non-proliferative diabetic retinopathy", "1_Mild"]),
        (2, ["Moderate", "moderate_dr", "cmoderateDR", "grade 2", "Moderate NPDR"]),
        (3, ["Severe", "Severe NPDR", "dseveredr", "3. severe", "level-3"]),
        (4, ["Proliferate_DR", "Proliferative", "PDR", "eproDR", "eproliferativedr", "Proliferative retinopathy"]),
        (5, ["ungradable", "Ungradeable", "cannot be graded", "5"]),
    ],
)  # fmt: skip
def test_words_of_the_scale(grade, words):
    assert {word: grade_of_word(word) for word in words} == dict.fromkeys(words, grade)


@pytest.mark.parametrize(
    "word",
    ["1. No DR signs", "2. Mild (or early) NPDR", "5. Very Severe NPDR", "7. Advanced PDR", "0.3.DR1", "DR", "NPDR",
     "Non-proliferative", "6", "-1", "2.5", "R1", "", "cataract", "left"],
)  # fmt: skip
def test_other_scales_and_words_are_none(word):
    assert grade_of_word(word) is None


def test_a_column_may_mix_numbers_and_words():
    cells = pd.Series(["2.0", " 4 ", pd.NA, "5", "Severe", "x", "2.5"], dtype="string")
    assert read_grades(cells).tolist()[:2] == [2, 4]
    assert read_grades(cells).fillna(-1).tolist() == [2, 4, -1, 5, 3, -1, 2.5]


@pytest.mark.parametrize("cell", ["7", "-1", "2.5", "milder", "inf"])
def test_a_grade_off_the_scale_names_file_row_and_cell(tmp_path, cell):
    (tmp_path / "train.csv").write_text("image,level\n" + "".join(f"{n},0\n" for n in range(10)) + f"x,{cell}\n")
    expected = rf"^train\.csv row 12: grade '{cell}' is off the scale 0-4 \(1 such in column level\): correct it"
    with pytest.raises(InputError, match=expected):
        open_table(tmp_path / "train.csv").grades("level")


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["10", "35", "47", "65"], "ETDRS levels"),
        (["R0M0", "R1", "R3A"], "English screening scale"),
        (["8"], "correct it"),
    ],
)
def test_grades_of_another_scale_are_reported_as_such(tmp_path, cells, sentence):
    (tmp_path / "t.csv").write_text("image,grade\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    with pytest.raises(InputError, match=sentence):
        open_table(tmp_path / "t.csv").grades("grade")
