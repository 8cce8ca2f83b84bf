import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.records.submission import check_submission_writable, read_sample, write_submission

ids = st.lists(st.from_regex(r"[0-9]{1,4}_[lr][12]", fullmatch=True), min_size=1, unique=True)


@settings(max_examples=20)
@given(ids)
def test_a_written_submission_is_read_as_a_sample(tmp_path_factory: pytest.TempPathFactory, stems: list[str]) -> None:
    out = tmp_path_factory.mktemp("submission") / "submission.csv"
    names = [f"{stem}.jpg" for stem in stems]
    write_submission(out, names, [0] * len(names), {})
    sample = read_sample(out)
    assert (list(sample.ids), list(sample.stems())) == (names, stems)


def test_the_bytes_of_a_submission(tmp_path: Path) -> None:
    write_submission(tmp_path / "s.csv", ["347_l1.jpg", "347_l2.jpg"], [0, 4], {"target": "eye"})
    assert (tmp_path / "s.csv").read_bytes() == b"ID,TARGET\n347_l1.jpg,0\n347_l2.jpg,4\n"
    sidecar = json.loads((tmp_path / "s.json").read_text())
    assert (sidecar["kind"], sidecar["target"]) == ("submission", "eye")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv", "s.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"ID,TARGET\na.jpg,0\nb.jpg,1\n",
        b"\xef\xbb\xbfID,TARGET\r\na.jpg,0\r\nb.jpg,1\r\n",
        b" ID , TARGET \n a.jpg , 0\n\nb.jpg,\n\n",
        b'"ID","TARGET"\n"a.jpg","0"\n"b.jpg", "1"',
        b"\xef\xbb\xbfsep=;\r\nID;TARGET\r\na.jpg;0\r\nb.jpg;1\r\n",
        b"# of the competition\nID\tTARGET\na.jpg\t0\nb.jpg\n",
        "ID,TARGET\na.jpg,0\nb.jpg,0\n".encode("utf-16"),
        gzip.compress(b"ID,TARGET\na.jpg,0\nb.jpg,0\n", mtime=0),
    ],
)
def test_spellings_of_a_sample_that_are_read_rightly(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sample.csv").write_bytes(content)
    assert read_sample(tmp_path / "sample.csv").ids == ("a.jpg", "b.jpg")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"ID,\na,0\n", "columns are ID, , expected two, of ids and of grades"),
        (b"ID;TARGET;extra\na;0;0\n", "columns are ID, TARGET, extra, expected two"),
        (b"ID,TARGET,extra\na,0,0\n", "columns are ID, TARGET, extra, expected"),
        (b"ID,TARGET\na,0\nb,0,0\n", "is not a table: Expected 2 fields in line 3, saw 3"),
        (b"ID,TARGET\na,0\n,1\n", "row 3: the ID is empty"),
        (b"ID,TARGET\na.jpg,0\nb,0\na.png,0\n", "1 image ids occur twice: a"),
        (b"ID,TARGET\n", "no rows below the header"),
        (b"sep=;\n\nID;TARGET\na;0\n;1\n", "row 5: the ID is empty"),
        (b"\n\n", "is empty: expected a table with a header"),
        (b"", "is empty"),
        (b",", "is empty: expected a table with a header"),
        (b"ID,TARGET\n\xe9,0\n", "line 2 is not UTF-8 text"),
        (b'ID,TARGET\n"a,0\n', "is not a table"),
    ],
)
def test_a_sample_that_is_none_is_refused_in_one_line(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "sample.csv").write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read_sample(tmp_path / "sample.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("columns", [("id_code", "diagnosis"), ("image", "level"), ("Image Name", "DR grade")])
def test_the_columns_of_a_sample_may_have_any_names(tmp_path: Path, columns: tuple[str, str]) -> None:
    (tmp_path / "sample.csv").write_text(f"{','.join(columns)}\n10_left,0\n10_right,0\n")
    sample = read_sample(tmp_path / "sample.csv")
    assert (sample.columns, sample.ids) == (columns, ("10_left", "10_right"))
    write_submission(tmp_path / "s.csv", sample.ids, [0, 4], {}, columns=sample.columns)
    assert (tmp_path / "s.csv").read_text() == f"{','.join(columns)}\n10_left,0\n10_right,4\n"


def test_a_sample_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_sample(tmp_path / "sample.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_sample(tmp_path)


@pytest.mark.parametrize("existing", ["s.csv", "s.json"])
def test_nothing_is_written_where_either_file_exists(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(OutputExistsError, match=existing):
        write_submission(tmp_path / "s.csv", ["a.jpg"], [0], {})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {existing: "mine"}


def test_force_replaces_a_submission_but_never_a_runs_json_or_an_input(tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    for grade in (0, 3):
        write_submission(out, ["a.jpg"], [grade], {}, force=True)
    assert out.read_text().endswith("a.jpg,3\n")
    with pytest.raises(UsageError, match="is an input of the submission"):
        check_submission_writable(out, force=True, inputs=[tmp_path / "." / "s.csv"])
    (tmp_path / "run.json").write_text('{"schema_version": 1}')
    with pytest.raises(OutputExistsError, match="does not belong to a submission"):
        check_submission_writable(tmp_path / "run.csv", force=True)
    with pytest.raises(UsageError, match="a submission is a"):
        check_submission_writable(tmp_path / "run.json", force=True)
