"""Several data sets are joined into one: names, ids, patients and targets."""

from pathlib import Path

import pytest
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError, UsageError
from drkit.records.layouts import read_dataset, read_datasets
from drkit.records.layouts.joining import name_folders

APTOS = ["id_code,diagnosis", "10_left,2", "b,0"]
EYEPACS = ["image,level", "10_left,1", "10_right,4", "11_left,0"]
LABELS = ["image_id,path,patient_id,eye,patient_grade,eye_grade,split", "z,z.jpg,10,left,3,2,val"]


def _write(root: Path, csv: str, lines: list[str], photographs: list[str]) -> Path:
    for name in photographs:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(f"{root.name} {name}".encode())
    (root / csv).write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def aptos(tmp_path: Path) -> Path:
    photographs = ["train_images/10_left.png", "train_images/b.png"]
    return _write(tmp_path / "APTOS", "train.csv", APTOS, photographs)


@pytest.fixture
def eyepacs(tmp_path: Path) -> Path:
    photographs = [f"resized_train/{name}.jpeg" for name in ("10_left", "10_right", "11_left")]
    return _write(tmp_path / "DR", "trainLabels.csv", EYEPACS, photographs)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return _write(tmp_path / "own", "labels.csv", LABELS, ["z.jpg"])


def test_a_single_data_set_is_read_as_before(aptos: Path) -> None:
    alone, labels = read_dataset(aptos), read_datasets([aptos])
    assert labels.rows.equals(alone.rows)
    assert labels.sha256 == alone.sha256
    assert "dataset" not in labels.rows
    assert (labels.roots, labels.title, labels.name) == ((aptos,), str(aptos), "APTOS")
    assert list(labels.by_dataset()) == ["APTOS"]


def test_ids_and_patients_of_two_data_sets_stay_apart_and_others_as_they_are(
    aptos: Path, eyepacs: Path, own: Path
) -> None:
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_datasets([aptos, eyepacs, own])
    assert labels.rows["image_id"].tolist() == ["APTOS-10_left", "b", "DR-10_left", "10_right", "11_left", "z"]
    assert labels.rows["dataset"].tolist() == ["APTOS"] * 2 + ["DR"] * 3 + ["own"]
    assert labels.rows["patient_id"].fillna("?").tolist() == ["APTOS-10", "?", "DR-10", "DR-10", "11", "own-10"]
    (sentence,) = (sentence for sentence in reported.notices if "occur in several data sets" in sentence)
    assert sentence.startswith("1 image ids")
    assert "APTOS-10_left" in sentence
    assert labels.roots == (aptos, eyepacs, own)
    assert labels.root == aptos.parent
    assert (labels.title, labels.layout) == ("APTOS + DR + own", "aptos + eyepacs + drkit")
    assert [path.exists() for path in labels.paths()] == [True] * 6
    assert labels.rows.dtypes["eye_grade"] == "Int8"


def test_each_data_set_of_several_can_be_had_alone(aptos: Path, own: Path) -> None:
    parts = read_datasets([aptos, own]).of_split("val").by_dataset()
    assert list(parts) == ["own"]
    assert parts["own"].rows["image_id"].tolist() == ["z"]
    assert (parts["own"].root, parts["own"].layout, parts["own"].targets) == (own, "drkit", ("patient", "eye"))


def test_the_target_is_what_every_graded_data_set_states(aptos: Path, own: Path, tmp_path: Path) -> None:
    ungraded = _write(tmp_path / "more", "readme.txt", [], ["q.jpg"])
    assert read_datasets([aptos, own]).targets == ("eye",)
    assert read_datasets([own, ungraded]).targets == ("patient", "eye")


def test_folders_of_one_name_are_prefixed_with_their_parents() -> None:
    folders = [Path("/x/old/APTOS"), Path("/x/new/APTOS"), Path("/x/IDRiD")]
    assert name_folders(folders) == ["old-APTOS", "new-APTOS", "IDRiD"]
    assert name_folders([Path("/a/c/d"), Path("/b/c/d")]) == ["a-c-d", "b-c-d"]


def test_a_data_set_that_is_given_twice_is_refused(aptos: Path, own: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(aptos)
    for twice in (aptos, tmp_path / "link", aptos / "train.csv"):
        with pytest.raises(UsageError, match="are the same data set: give it once"):
            read_datasets([aptos, own, twice])
    with pytest.raises(UsageError, match=r"both hold .*z\.jpg: give only one of them"):
        read_datasets([own, _write(tmp_path, "labels.csv", [LABELS[0], "y,own/z.jpg,1,left,3,2,val"], [])])


def test_a_folder_that_is_no_data_set_is_named_among_good_ones(aptos: Path, own: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds neither photographs nor a table"):
        read_datasets([aptos, tmp_path / "empty", own])
    with pytest.raises(InputError, match="gone does not exist"):
        read_datasets([aptos, tmp_path / "gone"])


def test_the_hash_of_several_data_sets_does_not_depend_on_their_order(aptos: Path, own: Path) -> None:
    several = read_datasets([aptos, own])
    assert several.sha256 == read_datasets([own, aptos]).sha256
    renamed = own.rename(own.with_name("other"))
    assert read_datasets([aptos, renamed]).sha256 != several.sha256


def test_tables_of_one_folder_are_data_sets_called_as_the_tables(tmp_path: Path) -> None:
    root = _write(tmp_path / "both", "a.txt", [], ["resized train 15/10_left.jpg", "resized train 19/ab.jpg"])
    (root / "labels").mkdir()
    fifteen = _write(root / "labels", "trainLabels15.csv", ["image,level", "10_left,1"], []) / "trainLabels15.csv"
    nineteen = _write(root / "labels", "trainLabels19.csv", ["id_code,diagnosis", "ab,2"], []) / "trainLabels19.csv"
    labels = read_datasets([fifteen, nineteen])
    assert labels.rows["dataset"].tolist() == ["trainLabels15", "trainLabels19"]
    assert labels.roots == (root, root)
    with pytest.raises(UsageError, match="are the same data set"):
        read_datasets([fifteen, fifteen])


def test_tables_of_one_folder_have_their_patients_in_common(tmp_path: Path) -> None:
    lines = ["image,grade,patient_id", "{},1,7"]
    root = tmp_path / "own"
    for name in ("a", "b"):
        _write(root, f"{name}.csv", [line.format(name) for line in lines], [f"{name}.jpg"])
    labels = read_datasets([root / "a.csv", root / "b.csv"])
    assert labels.rows["patient_id"].tolist() == ["7", "7"]
