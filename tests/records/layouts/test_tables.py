import pandas as pd
import pytest

from drkit.errors import InputError
from drkit.records.layouts.tables import open_table


def write(folder, content, name="t.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "image,Field definition \n007,8\n1_r1,\n",
        "image,Field definition\r\n007,8\r\n1_r1,\r\n",
        "\ufeffimage,Field definition\n007,8\n1_r1,\n",
        "image;field  definition\n007;8\n1_r1;\n",
        " image\tFIELD DEFINITION\n007\t 8 \n1_r1\n",
        'image,Field definition,Field definition,,\n"007",8,9,,\n1_r1,,,,\n,,,,\n',
    ],
)
def test_the_same_table_however_it_was_saved(tmp_path, content):
    table = open_table(write(tmp_path, content))
    assert table.cells.to_dict("list") == {"image": ["007", "1_r1"], "field definition": ["8", ""]}
    assert table.text("field definition").tolist() == ["8", pd.NA]


def test_row_numbers_are_the_editors_even_after_blank_lines(tmp_path):
    table = open_table(write(tmp_path, "image,level\n\na,1\n\nb,9\n"))
    assert [table.where(index) for index in table.cells.index] == ["t.csv row 3", "t.csv row 5"]
    with pytest.raises(InputError, match=r"t\.csv row 5: grade '9'"):
        table.grades("level")


def test_whole_numbers(tmp_path):
    table = open_table(write(tmp_path, "image,view\na,2.0\nb,\nc,x\n"))
    with pytest.raises(InputError, match=r"t\.csv row 4: view 'x' is not a whole number"):
        table.integers("view")
    assert open_table(write(tmp_path, "image,view\na,2.0\nb,\n")).integers("view").tolist() == [2, pd.NA]


def test_an_empty_id_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv row 3: column Image is empty"):
        open_table(write(tmp_path, "Image,level\na,1\n,1\n")).ids("image")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "binary"),
        ("image,level\n".encode("utf-16-le"), "UTF-16"),
        ("image,level\n".encode("utf-16") + b"x", "damaged UTF-16"),
        (b"PK\x03\x04rest", "damaged archive"),
        (b"image,level\na,1\n\xe9t\xe9,1\n", r"t\.csv line 3 is not UTF-8"),
        (b"image,level\na,1,2,3\n", "is not a table: .*line 2"),
    ],
)
def test_broken_files_get_one_line_each(tmp_path, content, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        open_table(write(tmp_path, content))
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.csv cannot be read: No such file"):
        open_table(tmp_path / "nothing.csv")
