"""Table files of all kinds."""

import gzip
import io
import zipfile

import pandas as pd
import pytest

from drkit.errors import InputError
from drkit.records.layouts import read_dataset
from drkit.records.layouts.cells import is_table_file
from drkit.records.layouts.tables import open_table

PLAIN = "image,level\na.jpg,1\nb.jpg,2\n"


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # of a fixed date: the bytes are in names of tests
    return stream.getvalue()


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "first_row"),
    [
        ("t.csv", PLAIN, 2),
        ("t.tsv", PLAIN.replace(",", "\t"), 2),
        ("t.csv", PLAIN.replace(",", "|"), 2),
        ("t.csv", "sep=;\n" + PLAIN.replace(",", ";"), 3),
        ("t.csv", '"sep=,"\r\n' + PLAIN, 3),
        ("t.csv", "\ufeff\n\n" + PLAIN, 4),
        ("t.csv", "# graded by A, B; C\n#\n\n" + PLAIN, 5),
        ("t.csv", PLAIN.encode("utf-16"), 2),
        ("t.csv", PLAIN.replace("\n", "\r"), 2),
        ("t.csv.gz", gzip.compress(PLAIN.encode(), mtime=0), 2),
        ("t.csv.zip", zipped(**{"deep/t.csv": PLAIN, "__MACOSX/t.csv": "x"}), 2),
        ("t.csv", 'image;"level"\n"a.jpg";1\n"b.jpg";2\n', 2),
        ("t.csv", "a.jpg,1\nb.jpg,2\n", 1),
        ("train.txt", "a.jpg 1\nb.jpg\t2\n", 1),
        ("train.txt", "# photograph, grade\na.jpg  1\n\nb.jpg 2\n", 2),
    ],
)
def test_the_same_table_however_it_was_saved(tmp_path, name, content, first_row):
    table = open_table(write(tmp_path, name, content))
    assert is_table_file(table.path)
    assert table.cells[table.first(("image",))].tolist() == ["a.jpg", "b.jpg"]
    assert table.grades(table.first(("level", "grade"))).tolist() == [1, 2]
    assert table.where(int(table.cells.index[0])) == f"{name} row {first_row}"


def test_a_separator_inside_quotes_separates_nothing(tmp_path):
    content = '"image";"grade (0,1,2,3,4)";"seen by A, B, C and D"\n"a.jpg";1;"x, y"\n'
    table = open_table(write(tmp_path, "t.csv", content))
    assert list(table.header.values()) == ["image", "grade (0,1,2,3,4)", "seen by A, B, C and D"]
    assert table.cells.iloc[0].tolist() == ["a.jpg", "1", "x, y"]


def test_a_separator_in_an_unquoted_header_does_not_cut_a_table_of_another(tmp_path):
    table = open_table(write(tmp_path, "t.csv", "image;grade (0,1,2)\na.jpg;1\nb.jpg;2\n"))
    assert list(table.header.values()) == ["image", "grade (0,1,2)"]


def test_names_with_blanks_in_a_list_of_photographs(tmp_path):
    table = open_table(write(tmp_path, "train.txt", "left eye 1.jpg 0\nright eye 2.JPG 4\n"))
    assert table.cells["image"].tolist() == ["left eye 1.jpg", "right eye 2.JPG"]


@pytest.mark.parametrize("text", ["", "notes\n", "a.jpg is blurred, and so is b\n", "a.jpg\n", "a.jpg 1\nthe end\n"])
def test_other_texts_are_no_tables(tmp_path, text):
    assert not is_table_file(write(tmp_path, "notes.txt", text))


@pytest.mark.parametrize("suffix", ["xlsx", "xls"])
def test_a_spreadsheet_is_read_or_says_what_is_missing(tmp_path, suffix):
    path = tmp_path / f"labels.{suffix}"
    if suffix == "xlsx":
        pytest.importorskip("openpyxl")
        pd.read_csv(io.StringIO(PLAIN)).to_excel(path, index=False)
        assert open_table(path).grades("level").tolist() == [1, 2]
    else:
        path.write_bytes(b"\xd0\xcf\x11\xe0rest")
        with pytest.raises(InputError, match=r"labels\.xls is a (damaged )?spreadsheet.*save the table as CSV"):
            open_table(path)


def test_a_spreadsheet_without_its_package_is_one_line(tmp_path, monkeypatch):
    path = write(tmp_path, "labels.xlsx", zipped(**{"xl/workbook.xml": "", "[Content_Types].xml": ""}))

    def missing(*args, **kwargs):
        raise ImportError

    monkeypatch.setattr(pd, "read_excel", missing)
    with pytest.raises(InputError, match=r"labels\.xlsx is a spreadsheet: save .* CSV.* \(pip install openpyxl\)"):
        open_table(path)


def test_a_spreadsheet_counts_only_where_nothing_else_does(tmp_path):
    write(tmp_path, "labels.xlsx", b"PK\x03\x04 xl/ broken")
    write(tmp_path, "labels.csv", PLAIN)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    assert len(read_dataset(tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv.gz", b"\x1f\x8bbroken", r"t\.csv\.gz is a damaged archive"),
        ("t.csv.gz", gzip.compress(PLAIN.encode(), mtime=0)[:-9], "damaged archive"),
        ("t.csv.zip", zipped(a="x", b="y"), r"an archive of 2 files \(a, b\): unpack it, and give the table"),
        ("t.csv.zip", zipped(), "damaged archive|an archive of 0 files"),
        ("t.csv", "# only a comment\n", "is empty"),
        ("t.xls", "<html><table><tr><td>image</td></tr></table>", "is a web page"),
    ],
)
def test_broken_files_get_one_line_each(tmp_path, name, content, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        open_table(write(tmp_path, name, content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (b"\n" * 2**23, "has more than 4194304 lines"),
        (b"\r" * 2**23, "has more than 4194304 lines"),
        (b"," * 2**25, "has lines of more than 131072 characters"),
        (b'"' + b"a" * 2**25, "has lines of more than 131072 characters"),
        (b'"' + (b"a" * 100_000 + b"\n") * 20, r"is not a table: field larger than field limit"),
        (bytes(2**26), "holds more than 64 MiB"),
    ],
    ids=["lines", "old lines", "columns", "a cell", "an open quotation", "bytes"],
)
@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zip"])
def test_archives_that_unpack_to_no_table(tmp_path, suffix, rows, sentence):
    content = b"image,grade\n" + rows
    packed = gzip.compress(content, 1, mtime=0) if suffix == ".csv.gz" else zipped(table=content)
    with pytest.raises(InputError, match=sentence) as refused:
        open_table(write(tmp_path, f"t{suffix}", packed))
    assert "\n" not in str(refused.value)


def test_a_spreadsheet_that_unpacks_to_too_much(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(2**26 + 1))
    with pytest.raises(InputError, match=r"t\.xlsx holds more than 64 MiB"):
        open_table(write(tmp_path, "t.xlsx", packed.getvalue()))
