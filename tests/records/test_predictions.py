import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from predictions_meta import PATIENT_META

from drkit.errors import InputError, OutputExistsError
from drkit.records.labels import Labels, build_rows
from drkit.records.patterns import expand_patterns
from drkit.records.predictions import (
    SCHEMA,
    Predictions,
    build_predictions,
    find_predictions,
    patient_keys,
    read_all_predictions,
    read_predictions,
    write_predictions,
)

META = replace(
    PATIENT_META,
    decision="argmax",
    chosen_on="val",
    labels_sha256=None,
    provenance={"seed": 0, "options": {"lr": 1e-4, "augment": None}},
)


@pytest.fixture
def labels() -> Labels:
    """Six photographs of two patients and of two unknown ones; the last two without grades."""
    rows = build_rows(
        image_id=["7_l1", "7_l2", "7_r1", "8_l1", "x", "y"],
        path=[f"/nowhere/{number}.jpg" for number in range(6)],
        patient_id=["7", "7", "7", "8", None, None],
        eye=["left", "left", "right", "left", None, None],
        view=[1, 2, 1, 1, None, None],
        eye_grade=[0, 0, 2, 4, None, None],
        patient_grade=[2, 2, 2, 4, None, None],
        split=["train", "val", "val", "val", "test", "test"],
    )
    return Labels(rows, Path("/nowhere"), "test", ("patient", "eye"))


@pytest.fixture
def predictions(labels: Labels) -> Predictions:
    """Predictions for the six, with the train row held out by fold 1 and embeddings of three values."""
    return build_predictions(
        labels,
        probabilities=np.eye(5)[[0, 1, 2, 4, 3, 0]] * 0.8 + 0.04,
        score=[0.2, 1.1, 2.0, 3.9, 3.0, 0.0],
        meta=META,
        name="run",
        fold=[1, None, None, None, None, None],
        embedding=np.arange(18).reshape(6, 3) / 8,
    )


def test_writing_and_reading_changes_nothing(predictions: Predictions, tmp_path: Path) -> None:
    write_predictions(predictions, tmp_path / "run.parquet")
    back = read_predictions(tmp_path / "run.parquet")
    assert (back.meta, back.name) == (predictions.meta, "run")
    plain = back.rows.drop(columns="embedding")
    pd.testing.assert_frame_equal(plain, predictions.rows.drop(columns="embedding"))
    assert back.embeddings().dtype == np.float16
    assert (back.embeddings() == predictions.embeddings()).all()


def test_of_several_data_sets_the_name_of_each_photographs_is_kept(labels: Labels, tmp_path: Path) -> None:
    names = pd.array(["a", "a", "a", "a", "b", "b"], "string")
    joined = replace(labels, rows=labels.rows.assign(dataset=names))
    meta = replace(META, folds=0)
    answers = {"probabilities": np.full((6, 5), 0.2), "score": np.zeros(6), "meta": meta, "name": "run"}
    write_predictions(build_predictions(joined, **answers), tmp_path / "several.parquet")
    assert pq.read_schema(tmp_path / "several.parquet").names == [*SCHEMA.names, "dataset"]
    back = read_predictions(tmp_path / "several.parquet")
    assert back.dataset_names().tolist() == list(names)
    assert build_predictions(labels, **answers).dataset_names().isna().all()
    unnamed = joined.rows.assign(dataset=pd.array([None, *names[1:]], "string"))
    with pytest.raises(InputError, match=r"row 1 \(image 7_l1\): dataset is empty"):
        build_predictions(replace(joined, rows=unnamed), **answers)


@pytest.fixture
def seeded(labels: Labels) -> Predictions:
    """Predictions of two seeds, decided by cut points, and the train row by those of the other folds."""
    score = np.array([[0.0, 0.6], [1.0, 1.6], [2.0, 2.6], [3.0, 3.6], [3.2, 4.0], [0.2, 0.4]])
    shares = np.stack([np.eye(5)[[0, 1, 2, 3, 3, 0]], np.eye(5)[[1, 2, 3, 4, 4, 0]]], 1) * 0.5 + 0.1
    return build_predictions(
        labels,
        probabilities=shares.mean(1),
        score=score.mean(1),
        meta=replace(
            META, decision="cut_points", cut_points=(0.5, 1.5, 2.5, 3.5), fold_cut_points=((4.0,) * 4, (0.0,) * 4),
            folds=2, seeds=(3, 8),
        ),
        name="run",
        fold=[1, None, None, None, None, None],
        seed_probabilities=shares,
        seed_score=score,
    )  # fmt: skip


def test_each_seed_can_be_read_alone_and_is_decided_as_the_run_is(seeded: Predictions, tmp_path: Path) -> None:
    write_predictions(seeded, tmp_path / "run.parquet")
    back = read_predictions(tmp_path / "run.parquet")
    assert back.meta.seeds == (3, 8)
    schema = pq.read_schema(tmp_path / "run.parquet")
    assert schema.field("seed_score").type == pa.list_(pa.float32(), 2)
    assert schema.field("seed_probabilities").type == pa.list_(pa.list_(pa.float32(), 5), 2)
    first, second = back.of_seed(3), back.of_seed(8)
    assert (first.name, first.meta.seeds) == ("run, seed 3", ())
    assert first.rows["score"].tolist() == pytest.approx([0.0, 1.0, 2.0, 3.0, 3.2, 0.2])
    assert first.rows["predicted_grade"].tolist() == [4, 1, 2, 3, 3, 0]  # the first by fold 1's cut points
    assert second.rows["predicted_grade"].tolist() == [4, 2, 3, 4, 4, 0]
    assert np.allclose((first.probabilities() + second.probabilities()) / 2, back.probabilities())
    assert set(first.rows) == set(SCHEMA.names)
    write_predictions(first, tmp_path / "alone.parquet")
    assert read_predictions(tmp_path / "alone.parquet").rows.equals(first.rows)


def test_rows_are_selected_and_ordered_together_with_the_predictions_of_their_seeds(seeded: Predictions) -> None:
    turned = replace(seeded, rows=seeded.rows.iloc[::-1].reset_index(drop=True))
    chosen = turned.of_split("val").of_seed(8)
    assert chosen.rows["score"].tolist() == pytest.approx([3.6, 2.6, 1.6])


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"seed_score": [0.0, 4.5]}, "row 2 .*seed_score is outside the range 0-4"),
        ({"seed_score": [np.nan, 1.0]}, "row 2 .*seed_score is outside the range 0-4"),
        ({"seed_score": [1.0, 1.0]}, "row 2 .*seed_score does not have score as its mean"),
        ({"seed_probabilities": [[0.5] * 5, [0.2] * 5]}, "row 2 .*seed_probabilities does not sum to 1"),
        ({"seed_probabilities": [[0.2] * 5, [0.2] * 5]}, "row 2 .* does not have prob_0 to prob_4 as its mean"),
    ],
)
def test_invalid_predictions_of_a_seed_are_refused(
    seeded: Predictions, tmp_path: Path, broken: dict[str, list[float]], sentence: str
) -> None:
    for column, value in broken.items():
        cells = seeded.rows[column].tolist()
        seeded.rows[column] = [cells[0], np.array(value, np.float32), *cells[2:]]
    with pytest.raises(InputError, match=sentence):
        write_predictions(seeded, tmp_path / "run.parquet")


def test_seeds_and_their_columns_go_together(seeded: Predictions, predictions: Predictions, tmp_path: Path) -> None:
    for odd in (
        replace(seeded, rows=seeded.rows.drop(columns="seed_score")),
        replace(seeded, meta=replace(seeded.meta, seeds=())),
        replace(seeded, meta=replace(seeded.meta, seeds=(1, 2, 3))),
        replace(predictions, meta=replace(predictions.meta, seeds=(1, 2))),
    ):
        with pytest.raises(InputError, match="seed"):
            write_predictions(odd, tmp_path / "run.parquet")


def test_a_file_of_an_older_version_has_no_seeds(predictions: Predictions, tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    write_predictions(predictions, path)
    table = pq.read_table(path)
    record = json.loads(table.schema.metadata[b"drkit"])
    assert record.pop("seeds") == []
    pq.write_table(table.replace_schema_metadata({"drkit": json.dumps(record)}), path)
    assert read_predictions(path).meta == predictions.meta


def test_the_same_predictions_are_the_same_bytes(predictions: Predictions, tmp_path: Path) -> None:
    write_predictions(predictions, tmp_path / "a.parquet")
    write_predictions(read_predictions(tmp_path / "a.parquet"), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_the_file_has_the_types_and_the_one_key(predictions: Predictions, tmp_path: Path) -> None:
    write_predictions(predictions, tmp_path / "run.parquet")
    schema = pq.read_schema(tmp_path / "run.parquet")
    assert schema.names == [*SCHEMA.names, "embedding"]
    assert schema.field("prob_0").type == pa.float32()
    assert schema.field("fold").type == pa.int16()
    assert schema.field("embedding").type == pa.list_(pa.float16(), 3)
    assert list(schema.metadata) == [b"drkit"]
    record = json.loads(schema.metadata[b"drkit"])
    assert list(record) == sorted(record)


def test_grades_follow_the_decision(labels: Labels) -> None:
    answers = {"probabilities": np.full((6, 5), 0.2), "score": [0, 0.4, 1, 2.5, 3, 4], "name": "run"}
    by_argmax = build_predictions(labels, meta=META, **answers)
    assert by_argmax.rows["predicted_grade"].tolist() == [0] * 6
    cut = replace(META, decision="cut_points", cut_points=(0.3, 1.5, 2.8, 3.9))
    by_cuts = build_predictions(labels, meta=cut, **answers)
    assert by_cuts.rows["predicted_grade"].tolist() == [0, 1, 1, 2, 3, 4]
    own = build_predictions(labels, meta=cut, predicted_grade=[4] * 6, **answers)
    assert own.rows["predicted_grade"].tolist() == [4] * 6


def test_a_row_leaks_unless_a_fold_held_it_out(predictions: Predictions) -> None:
    assert not predictions.leaked_rows().any()
    trained = replace(predictions, meta=replace(META, trained_on=("train", "val")))
    assert trained.leaked_rows().tolist() == [False, True, True, True, False, False]


def test_views_of_the_rows(predictions: Predictions) -> None:
    assert predictions.of_split("val").rows["image_id"].tolist() == ["7_l2", "7_r1", "8_l1"]
    assert predictions.reference().tolist()[:4] == [2, 2, 2, 4]
    assert predictions.probabilities().shape == (6, 5)


def test_a_photograph_of_an_unknown_patient_is_its_own_patient(predictions: Predictions) -> None:
    assert len(set(patient_keys(predictions.rows))) == 4
    clash = predictions.rows.assign(patient_id=["x", *predictions.rows["patient_id"][1:]])
    assert len(set(patient_keys(clash))) == 5  # patient x and photograph x are two


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("image_id", "7_l1", r"row 2 \(image 7_l1\): image_id '7_l1' occurs twice"),
        ("split", "validation", r"row 2 \(image 7_l2\): split 'validation' is not one of train, val, test"),
        ("split", None, r"row 2 .*split is empty"),
        ("eye", "L", r"row 2 .*eye 'L' is not one of left, right"),
        ("score", 4.5, r"row 2 .*score '4.5' is outside the range 0-4"),
        ("score", np.nan, r"row 2 .*score is empty"),
        ("patient_grade", 5, r"row 2 .*patient_grade '5' is outside the range 0-4"),
        ("predicted_grade", -1, r"row 2 .*predicted_grade '-1' is outside the range 0-4"),
        ("prob_3", 0.5, r"row 2 .*prob_0 to prob_4 sum to 1.46, expected 1 \(1 such rows\)"),
        ("prob_3", -0.5, r"row 2 .*prob_3 '-0.5' is outside the range 0-1"),
        ("fold", -1, r"row 2 .*fold '-1' is negative"),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    predictions: Predictions, tmp_path: Path, column: str, value: object, sentence: str
) -> None:
    predictions.rows.loc[1, column] = value
    with pytest.raises(InputError, match=sentence):
        write_predictions(predictions, tmp_path / "run.parquet")
    assert not list(tmp_path.iterdir())
    loose = pa.schema([item.with_nullable(True) for item in SCHEMA])
    table = pa.Table.from_pandas(predictions.rows[SCHEMA.names], loose)
    _write_table(table, tmp_path / "run.parquet")
    with pytest.raises(InputError, match=sentence):
        read_predictions(tmp_path / "run.parquet")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"target": "person"}, r"Invalid enum value 'person' - at `\$.target`"),
        ({"decision": "vote"}, "decision 'vote' is not one of argmax"),
        ({"trained_on": ["training"]}, "trained_on 'training' is not one of train"),
        ({"decision": "cut_points"}, "needs 4 cut points, got none"),
        ({"cut_points": 3}, r"Expected `array \| null`, got `int` - at `\$.cut_points`"),
        ({"schema_version": 9}, "schema version 9, but this drkit reads 1"),
        ({"surprise": 1}, "unknown metadata keys: surprise"),
    ],
)
def test_metadata_that_cannot_be_is_refused(
    predictions: Predictions, tmp_path: Path, change: dict, sentence: str
) -> None:
    write_predictions(predictions, tmp_path / "run.parquet")
    table = pq.read_table(tmp_path / "run.parquet")
    record = {**json.loads(table.schema.metadata[b"drkit"]), **change}
    _write_table(table, tmp_path / "run.parquet", json.dumps(record))
    with pytest.raises(InputError, match=sentence):
        read_predictions(tmp_path / "run.parquet")


def test_columns_that_do_not_fit_are_refused(predictions: Predictions, tmp_path: Path) -> None:
    write_predictions(predictions, tmp_path / "run.parquet")
    table = pq.read_table(tmp_path / "run.parquet")
    wide = table.set_column(table.schema.names.index("score"), "score", table["score"].cast(pa.float64()))
    broken = {
        "column fold is missing": table.drop_columns("fold"),
        "column extra is unknown": table.append_column("extra", table["eye"]),
        "column score is double, expected float": wide,
        "column embedding is string, expected fixed-size lists": table.set_column(
            table.num_columns - 1, "embedding", table["image_id"]
        ),
    }
    for sentence, odd in broken.items():
        _write_table(odd, tmp_path / "run.parquet")
        with pytest.raises(InputError, match=sentence):
            read_predictions(tmp_path / "run.parquet")


def test_other_files_are_refused_as_predictions_in_one_line(predictions: Predictions, tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    write_predictions(predictions, path)
    content = path.read_bytes()
    contents = {"truncated": content[: len(content) // 2], "text": b"ID,TARGET\n", "empty": b""}
    for name, content in contents.items():
        (tmp_path / f"{name}.parquet").write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.parquet is not a parquet file") as caught:
            read_predictions(tmp_path / f"{name}.parquet")
        assert "\n" not in str(caught.value)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="not drkit's predictions"):
        read_predictions(path)


def test_a_run_is_read_by_its_stem_or_any_of_its_files(predictions: Predictions, tmp_path: Path) -> None:
    write_predictions(predictions, tmp_path / "a-run.parquet")
    suffixes = ("", ".parquet", ".safetensors", ".json", ".history.csv", ".fold2.safetensors", ".resume.pt")
    for suffix in suffixes:
        assert find_predictions(tmp_path / f"a-run{suffix}") == tmp_path / "a-run.parquet"
    with pytest.raises(InputError, match=r"b-run.parquet does not exist: expected a predictions file"):
        find_predictions(tmp_path / "b-run.json")
    with pytest.raises(InputError, match="is a folder"):
        find_predictions(tmp_path)


def test_a_star_that_reaches_the_program_is_expanded(predictions: Predictions, tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_predictions(predictions, tmp_path / f"{name}.parquet")
    (tmp_path / "a.json").touch()
    both = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    assert expand_patterns([tmp_path / "*.parquet", tmp_path / "a.parquet"]) == both
    assert [found.name for found in read_all_predictions([tmp_path / "*"])] == ["a", "b"]
    with pytest.raises(InputError, match=r"no file matches the pattern .*c\*\.parquet"):
        expand_patterns([tmp_path / "c*.parquet"])


def test_two_runs_of_the_same_name_are_distinguished(predictions: Predictions, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_predictions(predictions, tmp_path / folder / "run.parquet")
    names = [found.name for found in read_all_predictions([tmp_path / "*" / "run.parquet"])]
    assert names == [(tmp_path / folder / "run.parquet").as_posix() for folder in ("one", "two")]


def test_nothing_is_overwritten_without_force(predictions: Predictions, tmp_path: Path) -> None:
    write_predictions(predictions, tmp_path / "run.parquet")
    with pytest.raises(OutputExistsError, match="--force"):
        write_predictions(predictions, tmp_path / "run.parquet")
    write_predictions(predictions, tmp_path / "run.parquet", force=True)


def _write_table(table: pa.Table, path: Path, record: str | None = None) -> None:
    """Write a table that `write_predictions` would refuse, by default with valid metadata."""
    metadata = record or json.dumps({**META.__dict__, "trained_on": list(META.trained_on)})
    pq.write_table(table.replace_schema_metadata({b"drkit": metadata.encode()}), path)
