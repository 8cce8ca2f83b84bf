"""Preprocessing a data set: complete, resumable, and with reproducible bytes."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from drkit.config.synth import SynthConfig
from drkit.data import filtering
from drkit.errors import InputError, Interrupted, OutputExistsError, UsageError
from drkit.images.files import read_photograph
from drkit.images.filters import apply_steps
from drkit.recipes.preprocess import PreprocessConfig, plan_preprocess, run_preprocess
from drkit.recipes.preview_steps import run_preview
from drkit.recipes.synth import run_synth
from drkit.records.layouts import read_dataset
from drkit.records.manifest import read_manifest
from drkit.records.preprocessed import read_source_hashes, read_steps
from drkit.records.provenance import sha256_file

STEPS = "circle-crop,ben-graham,clahe:clip=3,sharpen"


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "DeepDRiD"
    run_synth(SynthConfig(out=out, patients=5, size=96))
    return out


@pytest.fixture
def config(eyes: Path, tmp_path: Path) -> PreprocessConfig:
    return PreprocessConfig(out=tmp_path / "out", steps=STEPS, data=[eyes], size=64, workers=1)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A data set with one truncated and one empty photograph."""
    out = tmp_path / "broken"
    run_synth(SynthConfig(out=out, patients=5, size=48))
    paths = sorted(out.glob("train/*/*.jpg"))
    paths[0].write_bytes(paths[0].read_bytes()[:300])
    cv2.imwrite(str(paths[1]), np.zeros((48, 48, 3), np.uint8))
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_it_writes_a_data_set_with_the_same_labels(config: PreprocessConfig, eyes: Path) -> None:
    report = run_preprocess(config)
    before, after = read_dataset(eyes), read_dataset(config.out)

    assert report.photographs == {"ok": 20, "fallback": 0, "failed": 0}
    assert report.exit_code == 0
    assert after.layout == "drkit"
    assert after.sha256 == before.sha256
    columns = [column for column in before.rows if column != "path"]
    assert "overall_quality" in columns
    assert after.rows[columns].equals(before.rows[columns])
    assert {read_photograph(path).shape for path in after.paths()} == {(64, 64, 3)}
    assert sorted(path.name for path in config.out.iterdir()) == ["images", "labels.csv", "manifest.json"]


def test_written_photographs_equal_the_result_of_apply_steps(config: PreprocessConfig, eyes: Path) -> None:
    run_preprocess(replace(config, format="png"))
    steps = read_steps(config.out)
    sources = read_source_hashes([config.out])

    assert steps[1] == "resize:size=64"
    rows = zip(read_dataset(eyes).paths(), read_dataset(config.out).paths(), strict=True)
    for source, written in rows:
        assert np.array_equal(apply_steps(read_photograph(source), steps), read_photograph(written))
        assert sources[written] == sha256_file(source)


def test_workers_change_nothing(config: PreprocessConfig, tmp_path: Path) -> None:
    run_preprocess(config)
    run_preprocess(replace(config, out=tmp_path / "two", workers=2))

    assert files_of(tmp_path / "two") == files_of(config.out)


def test_a_second_run_does_nothing_and_reports_the_same(
    config: PreprocessConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_preprocess(config)
    monkeypatch.setattr(filtering, "process_photograph", None)  # would fail if it were called
    second = run_preprocess(config)

    assert second == replace(first, done_before=20)


def test_other_parameters_are_refused_and_forced(config: PreprocessConfig) -> None:
    run_preprocess(config)
    for change in ({"steps": "circle-crop"}, {"size": 32}, {"format": "png"}):
        with pytest.raises(OutputExistsError, match="--force"):
            run_preprocess(replace(config, **change))
    run_preprocess(replace(config, format="png", force=True))

    assert {path.suffix for path in (config.out / "images").iterdir()} == {".png"}
    assert len(read_dataset(config.out)) == 20


def test_changed_photographs_and_labels_are_noticed(config: PreprocessConfig, tmp_path: Path, eyes: Path) -> None:
    run_preprocess(replace(config, data=[eyes], out=tmp_path / "copy", steps="resize:size=48", size=None, format="png"))
    config = replace(config, data=[tmp_path / "copy" / "labels.csv"])
    run_preprocess(config)
    table = tmp_path / "copy" / "labels.csv"
    kept = table.read_text()
    table.write_text(kept.replace(",left,1,", ",left,9,", 1))

    with pytest.raises(OutputExistsError, match="other photographs or labels"):
        run_preprocess(config)
    table.write_text(kept)
    photograph = next((tmp_path / "copy" / "images").iterdir())
    cv2.imwrite(str(photograph), np.zeros((48, 48, 3), np.uint8))
    with pytest.raises(OutputExistsError, match="other photographs or labels"):
        run_preprocess(config)


@pytest.mark.parametrize("workers", [1, 2])
def test_failed_photographs_are_counted_and_the_others_written(broken: Path, tmp_path: Path, workers: int) -> None:
    config = PreprocessConfig(out=tmp_path / "out", data=[broken], size=32, workers=workers)
    report = run_preprocess(config)
    manifest = read_manifest(config.out)

    assert report.photographs == {"ok": 18, "fallback": 1, "failed": 1}
    assert report.exit_code == 1
    (failed, cut, why), (dark, fallback, reason) = report.not_ok
    assert (cut, fallback) == ("failed", "fallback")
    assert "cut off" in why
    assert "nothing differs" in reason
    assert str(tmp_path) not in why
    ids = set(read_dataset(config.out).rows["image_id"])
    assert failed not in ids
    assert dark in ids
    assert manifest is not None
    assert len(manifest.photographs) == 20
    assert run_preprocess(replace(config, keep_going=True)).exit_code == 0
    assert run_preprocess(config).exit_code == 1  # reported again although nothing is done


def test_steps_add_up_and_sources_are_kept(config: PreprocessConfig, tmp_path: Path, eyes: Path) -> None:
    run_preprocess(replace(config, steps="circle-crop", format="png"))
    further = replace(
        config, data=[config.out], out=tmp_path / "further", steps="clahe,resize:size=64", size=None, format="png"
    )
    run_preprocess(further)
    at_once = replace(
        config, out=tmp_path / "at-once", steps="circle-crop,resize:size=64,clahe,resize:size=64", size=None
    )
    run_preprocess(replace(at_once, format="png"))

    assert read_steps(further.out) == read_steps(at_once.out)
    two, one = read_manifest(further.out), read_manifest(at_once.out)
    assert [r.source_sha256 for r in two.photographs] == [r.source_sha256 for r in one.photographs]
    assert [r.source for r in two.photographs] == [r.source for r in one.photographs]
    for first, second in zip(read_dataset(further.out).paths(), read_dataset(at_once.out).paths(), strict=True):
        difference = read_photograph(first).astype(int) - read_photograph(second)
        assert np.abs(difference).mean() < 0.5


def test_photographs_lost_before_stay_in_the_manifest(broken: Path, tmp_path: Path) -> None:
    first = PreprocessConfig(out=tmp_path / "first", data=[broken], size=32, workers=1)
    run_preprocess(first)
    report = run_preprocess(replace(first, data=[first.out], out=tmp_path / "second", steps="green"))

    assert report.photographs == {"ok": 18, "fallback": 1, "failed": 1}


def test_an_interruption_is_reported_and_the_command_can_be_resumed(
    config: PreprocessConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_preprocess(config)
    whole = files_of(config.out)
    act, calls = filtering.process_photograph, []

    def act_a_while(task: filtering.FilterTask) -> object:
        calls.append(task.image_id)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return act(task)

    other = replace(config, out=config.out.parent / "again")
    monkeypatch.setattr(filtering, "process_photograph", act_a_while)
    with pytest.raises(Interrupted, match="after 7 photographs"):
        run_preprocess(other)
    with pytest.raises(InputError, match="unfinished"):
        read_steps(other.out)
    with pytest.raises(OutputExistsError, match="--force"):
        run_preprocess(replace(other, steps="green"))
    monkeypatch.setattr(filtering, "process_photograph", act)
    report = run_preprocess(other)

    assert report.done_before == 7
    assert files_of(other.out) == whole


KILLED = """
import os, signal, sys
from pathlib import Path
from drkit.data import filtering
from drkit.recipes import preprocess

write, out, calls = filtering.write_bytes, Path(sys.argv[2]), []

def write_until_killed(target, content, *, force):
    calls.append(target)
    if len(calls) == 8:
        (target.parent / ".half.x1.part.jpg").write_bytes(content[:100])
        with (out / "ledger.jsonl").open("a") as ledger:
            ledger.write('{"image_id": "half a li')
        os.kill(os.getpid(), signal.SIGKILL)
    write(target, content, force=force)

filtering.write_bytes = write_until_killed
config = preprocess.PreprocessConfig(out=out, steps=sys.argv[3], data=[Path(sys.argv[1])], size=64, workers=1)
preprocess.run_preprocess(config)
"""


def test_a_run_that_was_killed_before_its_plan_was_written_is_resumed(config: PreprocessConfig) -> None:
    (config.out / "images").mkdir(parents=True)
    (config.out / ".plan.x1.part.json").write_text("{")
    assert run_preprocess(config).exit_code == 0
    assert read_manifest(config.out)
    assert not list(config.out.glob(".*"))


def test_a_folder_of_other_photographs_is_not_taken_for_a_killed_runs(config: PreprocessConfig) -> None:
    (config.out / "images").mkdir(parents=True)
    (config.out / "images" / "own.jpg").write_bytes(b"a photograph")
    with pytest.raises(OutputExistsError, match="was not made by drkit preprocess"):
        run_preprocess(config)
    assert (config.out / "images" / "own.jpg").read_bytes() == b"a photograph"


def test_a_killed_run_is_resumed_to_the_same_bytes(config: PreprocessConfig, tmp_path: Path) -> None:
    run_preprocess(config)
    killed = replace(config, out=tmp_path / "killed")
    command = [sys.executable, "-c", KILLED, str(config.data[0]), str(killed.out), STEPS]
    child = subprocess.run(command, capture_output=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert (killed.out / "images" / ".half.x1.part.jpg").exists()
    report = run_preprocess(replace(killed, workers=2))

    assert report.done_before == 7
    assert files_of(killed.out) == files_of(config.out)


def test_a_full_disk_is_reported_and_the_command_can_be_resumed(
    config: PreprocessConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(filtering, "write_bytes", fail)
        with pytest.raises(InputError, match="the disk is full"):
            run_preprocess(config)
    assert run_preprocess(config).photographs["ok"] == 20


def test_force_leaves_alone_what_preprocess_did_not_make(config: PreprocessConfig) -> None:
    config.out.mkdir()
    (config.out / "thesis.docx").write_text("years of work")
    for force in (False, True):
        with pytest.raises(OutputExistsError, match="not made by drkit preprocess"):
            run_preprocess(replace(config, force=force))
    (config.out / "thesis.docx").unlink()
    run_preprocess(config)
    (config.out / "images" / "mine.jpg").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"mine\.jpg"):
        run_preprocess(replace(config, force=True))
    assert len(list((config.out / "images").iterdir())) == 21


def test_a_lost_output_is_noticed(config: PreprocessConfig) -> None:
    run_preprocess(config)
    next((config.out / "images").iterdir()).unlink()

    with pytest.raises(OutputExistsError, match="1 files are missing"):
        run_preprocess(config)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": 8}, "--size 8"),
        ({"workers": 0}, "--workers 0"),
        ({"steps": "clahee"}, "did you mean clahe"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    config: PreprocessConfig, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        run_preprocess(replace(config, **change))
    assert not config.out.exists()


def test_the_data_set_itself_is_no_output(config: PreprocessConfig) -> None:
    for inside in (config.data[0], config.data[0] / "cropped"):
        with pytest.raises(UsageError, match="is inside the data set"):
            run_preprocess(replace(config, out=inside))


def test_a_preview_writes_one_picture(config: PreprocessConfig, tmp_path: Path) -> None:
    report = run_preview(config, tmp_path / "sheet.png")

    assert len(report.image_ids) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    assert read_photograph(tmp_path / "sheet.png").shape[1] == 6 * 262
    with pytest.raises(OutputExistsError):
        run_preview(config, tmp_path / "sheet.png")
    with pytest.raises(UsageError, match="expected a name that ends in"):
        run_preview(config, tmp_path / "sheet.txt")


def test_real_photographs_are_all_ok(shared_data: Path, tmp_path: Path) -> None:
    csv = tmp_path / "few" / "labels.csv"
    csv.parent.mkdir()
    source = shared_data / "DeepDRiD" / "train"
    for name in ("1/1_l1", "27/27_l1", "80/80_l2"):
        (csv.parent / f"{Path(name).name}.jpg").symlink_to(source / f"{name}.jpg")
    csv.write_text("image,grade\n" + "".join(f"{path.name},0\n" for path in sorted(csv.parent.glob("*.jpg"))))
    report = run_preprocess(PreprocessConfig(out=tmp_path / "out", steps=STEPS, data=[csv.parent], size=256, workers=1))

    assert report.photographs == {"ok": 3, "fallback": 0, "failed": 0}


def test_long_names_are_written_and_read_back(eyes: Path, tmp_path: Path) -> None:
    names = ["x" * 240, "é" * 125, "short"]
    (tmp_path / "long").mkdir()
    for name, source in zip(names, sorted(eyes.glob("train/*/*.jpg")), strict=False):
        (tmp_path / "long" / f"{name}.jpg").write_bytes(source.read_bytes())
    report = run_preprocess(PreprocessConfig(out=tmp_path / "out", data=[tmp_path / "long"], size=64, workers=1))
    assert report.photographs["ok"] == 3
    after = read_dataset(tmp_path / "out")
    assert sorted(after.rows["image_id"]) == sorted(names)
    assert all(path.is_file() for path in after.paths())


def test_several_data_sets_go_each_into_a_folder_of_its_own(
    eyes: Path, config: PreprocessConfig, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    run_preprocess(replace(config, out=other, steps="green"))
    out, data = tmp_path / "both", [eyes, other]
    config = replace(config, out=out, data=data)
    plan = plan_preprocess(config)
    assert [(each.name, each.layout, each.state) for each in plan.datasets] == [
        ("DeepDRiD", "deepdrid-course", "new"), ("other", "drkit", "new"),
    ]  # fmt: skip
    assert [each.out for each in plan.datasets] == [out / "DeepDRiD", out / "other"]
    assert [each.done for each in plan.datasets] == [(), read_steps(other)]
    assert not out.exists()
    reports = run_preprocess(config).datasets
    assert [sum(report.photographs.values()) for report in reports] == [20, 20]
    assert read_steps(out / "other") == (*read_steps(other), *plan.datasets[1].new_steps)
    assert [each.state for each in plan_preprocess(config).datasets] == ["finished"] * 2
    assert [each.state for each in plan_preprocess(replace(config, force=True)).datasets] == ["replaced"] * 2
    assert len(read_manifest(out / "other").photographs) == 20
    again = run_preprocess(config).datasets
    assert [report.done_before for report in again] == [20, 20]
    alone = run_preprocess(replace(config, data=[eyes], out=tmp_path / "alone"))
    assert (alone.out / "manifest.json").read_bytes() == (out / "DeepDRiD" / "manifest.json").read_bytes()


def test_an_unusable_data_set_is_refused_before_any_work_on_the_others(
    eyes: Path, config: PreprocessConfig, tmp_path: Path
) -> None:
    other, out = tmp_path / "other", tmp_path / "both"
    run_preprocess(replace(config, out=other, steps="green"))
    (out / "other").mkdir(parents=True)
    (out / "other" / "mine.txt").write_text("keep")
    for planning in (plan_preprocess, run_preprocess):
        with pytest.raises(OutputExistsError, match="was not made by drkit preprocess"):
            planning(replace(config, data=[eyes, other], out=out))
        with pytest.raises(UsageError, match="are the same data set"):
            planning(replace(config, data=[eyes, eyes], out=out))
    assert [path.name for path in out.iterdir()] == ["other"]
