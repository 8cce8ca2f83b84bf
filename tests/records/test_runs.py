"""A run's name, its files, and the record that lists them with their SHA-256."""

import json
from pathlib import Path

import pytest

from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.records.provenance import sha256_file
from drkit.records.runs import (
    NetworkId,
    Run,
    find_run,
    list_networks,
    networks_in,
    new_run,
    read_run_record,
    write_run_record,
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path / "runs" / "first")
    made.stem.parent.mkdir()
    for path in made.outputs()[:-1]:
        path.write_text(path.name)
    made.resume().write_text("state")
    write_run_record(made, {"trained_on_photographs": ["abc"], "folds": 0, "seeds": []}, force=False)
    return made


def test_the_record_lists_the_files_and_ends_the_unfinished_state(run: Run) -> None:
    record = read_run_record(run)
    assert record["files"] == {path.name: sha256_file(path) for path in run.outputs()[:-1]}
    assert record["trained_on_photographs"] == ["abc"]
    assert not run.resume().exists()


def test_a_run_is_found_by_its_stem_and_by_any_of_its_files(run: Run) -> None:
    assert find_run(run.stem) == run
    for path in (*run.outputs(), run.resume()):
        assert find_run(path) == run


def test_other_files_are_refused_as_a_run(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json does not exist"):
        find_run(tmp_path / "none")
    with pytest.raises(InputError, match="is a folder"):
        find_run(Path())
    (tmp_path / "half.resume.pt").write_text("")
    with pytest.raises(InputError, match="--name half --resume"):
        find_run(tmp_path / "half")
    for broken in ("[]", "{}", "no json", json.dumps({"schema_version": 99, "trained_on_photographs": []})):
        run.record.write_text(broken)
        with pytest.raises(InputError, match=r"run's record|schema version 99"):
            read_run_record(run)


def test_a_default_name_gives_way_and_a_typed_one_does_not(run: Run) -> None:
    runs_dir = run.stem.parent
    assert new_run(runs_dir, None, "first", resume=False, force=False).name == "first-2"
    assert new_run(runs_dir, None, "first", resume=False, force=True).name == "first"
    assert new_run(runs_dir, "second", "first", resume=False, force=False).name == "second"
    with pytest.raises(OutputExistsError, match="exists already"):
        new_run(runs_dir, "first", "x", resume=False, force=False)


def test_an_unfinished_run_is_not_lost_and_a_finished_one_not_resumed(run: Run) -> None:
    runs_dir = run.stem.parent
    (runs_dir / "half.resume.pt").write_text("state")
    with pytest.raises(OutputExistsError, match="--resume"):
        new_run(runs_dir, "half", "x", resume=False, force=False)
    assert new_run(runs_dir, "half", "x", resume=True, force=False).name == "half"
    with pytest.raises(InputError, match="is finished"):
        new_run(runs_dir, "first", "x", resume=True, force=False)
    with pytest.raises(InputError, match="never started"):
        new_run(runs_dir, "third", "x", resume=True, force=False)


@pytest.mark.parametrize("name", ["../escape", "a b", "a/b", "", "é", "a.b"])
def test_names_that_leave_their_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="letters, digits"):
        new_run(tmp_path, name, "x", resume=False, force=False)


def test_a_run_with_folds_has_a_checkpoint_each_and_leaves_none_of_an_earlier_one(tmp_path: Path) -> None:
    run = Run(tmp_path / "folded")
    second = NetworkId(fold=1)
    for folds in (3, 2):
        for path in run.outputs(list_networks(folds))[:-1]:
            path.write_text(path.name)
        run.resume(second).write_text("state")
        assert run.unfinished() == [run.resume(second)]
        write_run_record(run, {"trained_on_photographs": [], "folds": folds, "seeds": []}, force=True)
    outputs = run.outputs(list_networks(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in outputs)
    assert find_run(run.checkpoint(second)) == run
    assert run.checkpoint(second).name == "folded.fold1.safetensors"


def test_a_run_with_seeds_has_a_checkpoint_a_network_and_leaves_none_of_an_earlier_one(tmp_path: Path) -> None:
    run = Run(tmp_path / "seeded")
    for networks in (list_networks(2, (4, 5)), list_networks(0, (5, 6))):
        for path in run.outputs(networks)[:-1]:
            path.write_text(path.name)
        run.resume(networks[-1]).write_text("state")
        seeds = sorted({network.seed for network in networks})
        folds = len({network.fold for network in networks if network.fold is not None})
        write_run_record(run, {"trained_on_photographs": [], "folds": folds, "seeds": seeds}, force=True)
        assert networks_in(read_run_record(run)) == networks
        assert sorted(tmp_path.iterdir()) == sorted(run.outputs(networks))
    assert run.checkpoint(NetworkId(0, 1)).name == "seeded.fold0.seed1.safetensors"
    assert run.checkpoint(NetworkId(seed=6)).name == "seeded.seed6.safetensors"
    for path in (*run.outputs(networks), run.resume(NetworkId(0, 1))):
        assert find_run(path) == run


def test_the_record_of_an_older_version_has_a_single_network(run: Run) -> None:
    record = json.loads(run.record.read_text())
    assert "seeds" in record
    del record["seeds"], record["folds"]
    run.record.write_text(json.dumps(record))
    assert networks_in(read_run_record(run)) == (NetworkId(),)


def test_the_unfinished_state_of_another_run_with_a_longer_name_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "a-2.resume.pt").write_text("state")
    assert Run(tmp_path / "a").unfinished() == []
