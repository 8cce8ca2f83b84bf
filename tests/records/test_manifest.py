"""Records of preprocessing: round trips, truncated ledgers, and the files of other programs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from drkit.errors import InputError, OutputExistsError
from drkit.records import manifest as records
from drkit.records import preprocessed
from drkit.records.manifest import PhotographRecord, Plan
from drkit.records.provenance import sha256_bytes

STEPS = ("circle-crop:margin=0", "resize:size=64")
PLAN = Plan(steps=STEPS, new_steps=STEPS[1:], suffix=".png", labels_sha256="labels", inputs={"b": "2" * 64, "a": ""})


def record_of(folder: Path, image_id: str) -> PhotographRecord:
    """The record of an existing photograph."""
    path = folder / "images" / f"{image_id}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(image_id.encode())
    disc = {
        "x": 1.25,
        "y": 2.0,
        "radius_x": 3.0,
        "radius_y": 3.0,
        "box": {"left": 0, "top": 0, "right": 4, "bottom": 4},
    }
    return PhotographRecord(
        image_id=image_id, status="ok", reason="", source=f"train/{image_id}.jpg", source_sha256="5" * 64,
        source_size=(9, 8), source_disc=disc, path=f"images/{image_id}.png",
        sha256=sha256_bytes(image_id.encode()), size=(64, 64), disc=disc,
    )  # fmt: skip


FAILED = PhotographRecord(image_id="a", status="failed", reason="cut off", source="train/a.jpg", source_sha256="")


def test_plan_and_manifest_read_back_as_written(tmp_path: Path) -> None:
    records.write_plan(tmp_path, PLAN)
    assert records.read_plan(tmp_path) == PLAN
    assert records.read_plan(tmp_path).sha256 == PLAN.sha256

    written = records.write_manifest(tmp_path, PLAN, [record_of(tmp_path, "b"), FAILED])
    assert records.read_manifest(tmp_path) == written
    assert records.read_plan(tmp_path) is None
    assert preprocessed.read_steps(tmp_path) == STEPS
    assert preprocessed.read_source_hashes([tmp_path]) == {tmp_path / "images/b.png": "5" * 64}


def test_plans_differ_in_anything() -> None:
    changes = [
        {"steps": STEPS[:1]},
        {"new_steps": STEPS},
        {"suffix": ".jpg"},
        {"labels_sha256": "other"},
        {"inputs": {"b": "3" * 64, "a": ""}},
    ]
    assert len({PLAN.sha256, *(replace(PLAN, **change).sha256 for change in changes)}) == 6
    assert replace(PLAN, inputs=dict(reversed(PLAN.inputs.items()))).sha256 == PLAN.sha256


def test_the_ledger_lists_finished_photographs(tmp_path: Path) -> None:
    finished = [record_of(tmp_path, "b"), FAILED]
    with records.open_ledger(tmp_path) as ledger:
        for record in finished:
            ledger.add(record)

    assert list(records.read_ledger(tmp_path).values()) == finished


def test_a_truncated_line_is_dropped_and_the_next_is_complete(tmp_path: Path) -> None:
    for name in ("b", "c"):
        with records.open_ledger(tmp_path) as ledger:
            ledger.add(record_of(tmp_path, name))
        path = tmp_path / records.LEDGER
        path.write_bytes(path.read_bytes() + b'{"image_id": "d", "sta')
        assert list(records.read_ledger(tmp_path)) == ["b", "c"][: "bc".index(name) + 1]


def test_a_photograph_that_was_changed_or_lost_is_not_finished(tmp_path: Path) -> None:
    with records.open_ledger(tmp_path) as ledger:
        for name in "bcd":
            ledger.add(record_of(tmp_path, name))
    (tmp_path / "images/c.png").write_bytes(b"half")
    (tmp_path / "images/d.png").unlink()

    assert list(records.read_ledger(tmp_path)) == ["b"]


def test_steps_are_applied_to_raw_photographs_only(tmp_path: Path) -> None:
    assert preprocessed.steps_to_apply([tmp_path], STEPS) == STEPS
    records.write_manifest(tmp_path, PLAN, [record_of(tmp_path, "b")])

    assert preprocessed.steps_to_apply([tmp_path], STEPS) == ()
    for other in (STEPS[:1], (), (*STEPS, "green")):
        with pytest.raises(InputError, match="the run was trained on"):
            preprocessed.steps_to_apply([tmp_path], other)


def test_steps_are_not_applied_to_half_of_the_photographs(tmp_path: Path) -> None:
    done, raw = tmp_path / "done", tmp_path / "raw"
    done.mkdir()
    raw.mkdir()
    records.write_manifest(done, PLAN, [record_of(done, "b")])

    for both in ([done, raw], [raw, done]):
        with pytest.raises(InputError, match=r"done was preprocessed with .*raw was not: give .* separate commands"):
            preprocessed.steps_to_apply(both, STEPS)


def test_an_unfinished_data_set_is_refused(tmp_path: Path) -> None:
    records.write_plan(tmp_path, PLAN)

    with pytest.raises(InputError, match="unfinished"):
        preprocessed.read_steps(tmp_path)


def test_another_programs_manifest_is_ignored(tmp_path: Path) -> None:
    (tmp_path / records.MANIFEST).write_text('{"made_by": "drkit explain", "schema_version": 7}')
    (tmp_path / records.PLAN).write_text("[1, 2]")

    assert records.read_manifest(tmp_path) is None
    assert preprocessed.read_steps(tmp_path) == ()
    assert not records.is_preprocessed(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"schema_version": 99}, "schema version 99"), ({"steps": None}, "broken"), ({"photographs": [{}]}, "broken")],
)
def test_a_broken_manifest_is_refused(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    records.write_manifest(tmp_path, PLAN, [record_of(tmp_path, "b")])
    path = tmp_path / records.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(InputError, match=sentence):
        records.read_manifest(tmp_path)


def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / records.MANIFEST).write_text("{")

    with pytest.raises(InputError, match="not valid JSON"):
        records.read_manifest(tmp_path)


def test_clearing_removes_only_drkits_own_files(tmp_path: Path) -> None:
    records.write_manifest(tmp_path, PLAN, [record_of(tmp_path, "b")])
    (tmp_path / "images/.b.x.part.png").write_text("half")
    for foreign in ("notes.txt", "images/mine.png"):
        (tmp_path / foreign).write_text("mine")
        with pytest.raises(OutputExistsError, match=foreign):
            records.clear(tmp_path)
        assert (tmp_path / "images/b.png").exists()
        (tmp_path / foreign).unlink()
    records.clear(tmp_path)

    assert [path.name for path in tmp_path.rglob("*")] == ["images"]
