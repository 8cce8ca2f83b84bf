"""`drkit ensemble`: predictions in, predictions out, and a JSON that grades new photographs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predictions_meta import PATIENT_META
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.config.ensemble import CompareConfig, EnsembleConfig
from drkit.config.score import ScoreConfig
from drkit.config.shared import TableFiles
from drkit.config.submit import SubmitConfig
from drkit.decisions import normal_probabilities
from drkit.ensembling.bag import Bag
from drkit.ensembling.blend import Vote
from drkit.ensembling.boost import Boost
from drkit.ensembling.comparison import METHODS as METHODS_COMPARED
from drkit.ensembling.prediction import predict_ensemble
from drkit.ensembling.serialization import read_ensemble
from drkit.ensembling.stack import Stack
from drkit.ensembling.weight import Weight
from drkit.errors import InputError, LeakageError, OutputExistsError, UsageError
from drkit.recipes.compare import run_compare
from drkit.recipes.ensemble import run_ensemble
from drkit.recipes.score import run_score
from drkit.recipes.submit import run_submit
from drkit.records.ensembles import is_ensemble
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import (
    build_predictions,
    find_predictions,
    read_predictions,
    write_predictions,
)

ROOT = Path(__file__).resolve().parents[2]
QUICK = EnsembleConfig(folds=3, resamples=100)
METHODS = [
    Vote("hard"), Vote("soft"), Vote("median"), Weight("greedy", 3), Weight("kappa"), Weight("log-loss"),
    Stack("ridge"), Stack("ordinal", 1.0), Boost(rounds=10), Boost("adaboost"), Bag(Stack("ridge", 1.0), 3),
]  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three members: two photographs each of 15 patients in val, graded, and of 5 in test, not graded."""
    folder = tmp_path / "runs"
    for seed, name in enumerate("abc"):
        write_predictions(_member(name, seed), folder / f"{name}.parquet")
    return folder


def _member(name: str, seed: int, embedding: bool = False, **change: object):
    grade = np.random.default_rng(5).integers(0, 5, 20).repeat(2)
    score = np.clip(grade + np.random.default_rng(seed).normal(0, 0.7, 40), 0, 4)
    rows = build_rows(
        image_id=[f"{p}_{e}1" for p in range(20) for e in "lr"],
        path=[""] * 40,
        patient_id=np.arange(20).repeat(2).astype(str),
        eye=["left", "right"] * 20,
        view=[1] * 40,
        patient_grade=[*grade[:30], *[None] * 10],
        split=["val"] * 30 + ["test"] * 10,
    )
    return build_predictions(
        Labels(rows, Path("/nowhere"), "test", ("patient",)),
        probabilities=normal_probabilities(score, 0.6),
        score=score,
        meta=replace(PATIENT_META, checkpoint_sha256=f"{seed:064d}", **change),
        name=name,
        embedding=np.random.default_rng(seed).normal(size=(40, 6)) if embedding else None,
    )


def _run(runs: Path, method, **change: object):
    config = replace(QUICK, out=runs.parent / "ensembles" / "e.parquet", **change)
    return run_ensemble([runs / "*.parquet"], method, config)


@pytest.mark.parametrize(
    ("method", "fuse"),
    [*((method, ("none", "mean")) for method in METHODS), (Stack("ridge", 1.0), ("eye", "learned")),
     (Vote("soft"), ("eye", "learned")), (Vote("hard"), ("patient", "max"))],
    ids=repr,
)  # fmt: skip
def test_an_ensemble_grades_its_own_photographs_again(runs: Path, method, fuse: tuple[str, str]) -> None:
    """Ungraded rows come from the final fit, which is what the JSON keeps."""
    report = _run(runs, method, fuse=fuse[0], fuse_by=fuse[1])
    written = read_predictions(report.predictions)
    ensemble = read_ensemble(report.ensemble)
    again = predict_ensemble(ensemble, read_predictions)
    test = (written.rows["split"] == "test").to_numpy(dtype=bool)
    pd.testing.assert_frame_equal(
        again.where(test).rows.drop(columns="fold"), written.where(test).rows.drop(columns="fold")
    )
    assert again.meta.decision == written.meta.decision
    assert written.meta.target == "patient"


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_the_outcome_is_a_predictions_file_like_any_other(runs: Path, method) -> None:
    report = _run(runs, method)
    written = read_predictions(report.predictions)
    assert written.rows["image_id"].tolist() == read_predictions(runs / "a.parquet").rows["image_id"].tolist()
    assert not written.leaked_rows().any()
    val = (written.rows["split"] == "val").to_numpy(dtype=bool)
    assert written.rows["fold"][val].notna().all()
    assert written.rows["fold"][~val].isna().all()
    scored = run_score([report.predictions], ScoreConfig(resamples=100)).scores[0]
    assert scored.agreement.quadratic_weighted_kappa == pytest.approx(report.nested.quadratic_weighted_kappa)
    out = runs.parent / "submission.csv"
    assert run_submit(report.predictions, SubmitConfig(out=out)).rows == 10
    assert find_predictions(report.ensemble) == report.predictions


def test_photographs_that_the_ensemble_was_fitted_on_are_reported_and_marked_when_graded_again(runs: Path) -> None:
    report = _run(runs, Stack("ridge"))
    assert read_predictions(report.predictions).meta.trained_on == ("train", "val")
    again = predict_ensemble(read_ensemble(report.ensemble), read_predictions)
    assert again.meta.trained_on == ("val",)
    assert again.leaked_rows().sum() == 30
    assert report.fitted_on == 30
    assert report.naive is not None


def test_a_plain_vote_is_fitted_on_nothing(runs: Path) -> None:
    report = _run(runs, Vote("soft"))
    written = read_predictions(report.predictions)
    assert (written.meta.trained_on, report.fitted_on, report.naive) == (("train",), 0, None)
    members = [read_predictions(runs / f"{name}.parquet").rows["score"].to_numpy(dtype=float) for name in "abc"]
    assert written.rows["score"].to_numpy(dtype=float) == pytest.approx(np.mean(members, 0), abs=1e-6)
    assert not predict_ensemble(read_ensemble(report.ensemble), read_predictions).leaked_rows().any()


@pytest.mark.parametrize("fuse", ["none", "patient"])
def test_a_vote_has_the_folds_of_a_fitted_method(runs: Path, fuse: str) -> None:
    """On more than ten patients, whose numbers are not in alphabetical order."""
    folds = []
    for method in (Vote("hard"), Stack("ridge", 1.0)):
        report = _run(runs, method, fuse=fuse, force=True)
        folds.append(read_predictions(report.predictions).rows["fold"].tolist())
    assert folds[0] == folds[1]


def test_a_vote_needs_no_reference_grades(runs: Path) -> None:
    for path in runs.iterdir():
        member = read_predictions(path)
        write_predictions(member.of_split("test"), path, force=True)
    report = _run(runs, Vote("hard"))
    assert report.nested is None
    with pytest.raises(InputError, match="0 patients of train and val have a reference grade"):
        _run(runs, Stack(), force=True)


def test_a_split_that_is_partly_graded_is_named_by_its_photographs(runs: Path) -> None:
    for path in runs.iterdir():
        member = read_predictions(path)
        rows = member.rows.copy()
        rows.loc[rows["image_id"] == "0_l1", "patient_grade"] = None
        write_predictions(replace(member, rows=rows), path, force=True)
    meta = read_predictions(_run(runs, Stack("ridge", 1.0)).predictions).meta
    assert meta.trained_on == ("train",)
    assert len(meta.trained_on_images) == 29
    assert "0_l1" not in meta.trained_on_images


def test_the_same_files_give_the_same_bytes_in_any_order(runs: Path) -> None:
    paths = [runs / f"{name}.parquet" for name in "abc"]
    contents = []
    for number, order in enumerate((paths, paths[::-1])):
        out = runs.parent / f"{number}" / "e.parquet"
        run_ensemble(order, Bag(Stack("ridge", 1.0), 3), replace(QUICK, out=out))
        contents.append((out.read_bytes(), json.loads(out.with_suffix(".json").read_text())["fitted"]))
    assert contents[0] == contents[1]


def test_ensembles_can_be_combined_again(runs: Path) -> None:
    first = _run(runs, Stack("ridge", 1.0))
    out = runs.parent / "ensembles" / "second.parquet"
    second = run_ensemble([first.predictions, runs / "a.parquet"], Vote("soft"), replace(QUICK, out=out))
    ensemble = read_ensemble(second.ensemble)

    def grade(path: Path):
        return predict_ensemble(read_ensemble(path), read_predictions) if is_ensemble(path) else read_predictions(path)

    assert [is_ensemble(ensemble.path_of(member)) for member in ensemble.members] == [False, True]
    assert predict_ensemble(ensemble, grade).leaked_rows().sum() == 30


def test_trees_on_embeddings_need_embeddings(runs: Path) -> None:
    for seed, name in enumerate("abc"):
        write_predictions(_member(name, seed, embedding=True), runs / f"{name}.parquet", force=True)
    report = _run(runs, Boost(rounds=10))
    ensemble = read_ensemble(report.ensemble)
    assert len(ensemble.combiner.components) == 3
    predict_ensemble(ensemble, read_predictions)
    with pytest.raises(InputError, match="fitted with embeddings"):
        predict_ensemble(ensemble, lambda path: _member(path.stem, "abc".index(path.stem)))


def test_a_member_that_changed_is_refused(runs: Path) -> None:
    ensemble = read_ensemble(_run(runs, Vote("soft")).ensemble)
    with pytest.raises(InputError, match=r"the weights beside .*a\.parquet have changed since"):
        predict_ensemble(ensemble, lambda path: _member(path.stem, 9))
    write_predictions(_member("b", 7), runs / "b.parquet", force=True)
    with pytest.raises(InputError, match=r"b\.parquet has changed since"):
        predict_ensemble(ensemble, read_predictions)
    (runs / "a.parquet").unlink()
    with pytest.raises(InputError, match=r"a\.parquet, a member of .* does not exist"):
        predict_ensemble(ensemble, read_predictions)


def test_a_broken_record_is_refused(runs: Path) -> None:
    report = _run(runs, Weight("kappa"))
    content = json.loads(report.ensemble.read_text())
    for change, message in (
        ({"fitted": {"kind": "other"}}, "is broken .KeyError"),
        ({"schema_version": 9}, "schema version 9, but this drkit reads 1"),
        ({"kind": "run"}, "is not an ensemble's record"),
        ({"files": {"e.parquet": "0" * 64}}, "does not match its SHA-256"),
    ):
        report.ensemble.write_text(json.dumps(content | change))
        with pytest.raises(InputError, match=message):
            read_ensemble(report.ensemble)
    report.ensemble.write_text("{")
    with pytest.raises(InputError, match="is not an ensemble's record"):
        read_ensemble(report.ensemble)
    assert not is_ensemble(report.ensemble)
    assert not is_ensemble(runs / "a")


def test_a_leak_is_refused_by_every_method(runs: Path) -> None:
    write_predictions(_member("b", 1, trained_on=("train", "val")), runs / "b.parquet", force=True)
    for method in (Vote("hard"), Weight(), Stack(), Boost(), Bag(Stack())):
        with pytest.raises(LeakageError, match="b was trained on 30 of its 40 photographs"):
            _run(runs, method)
    with pytest.raises(LeakageError):
        run_compare([runs / "*.parquet"], CompareConfig(out=runs / "c.png"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"out": Path("e.csv")}, UsageError, "ends in .parquet"),
        ({"fuse_by": "max"}, UsageError, "--fuse-by max needs --fuse"),
        ({"out": Path("{runs}/a.parquet"), "force": True}, UsageError, "is one of the input files"),
    ],
)
def test_options_that_do_not_fit_are_refused(runs: Path, change: dict, error: type, message: str) -> None:
    if "out" in change:
        change = change | {"out": Path(str(change["out"]).format(runs=runs))}
    with pytest.raises(error, match=message):
        run_ensemble([runs / "*.parquet"], Vote(), replace(QUICK, **change))


def test_nothing_is_overwritten_without_force(runs: Path) -> None:
    report = _run(runs, Vote("soft"))
    for lost in (report.predictions, report.ensemble):
        other = report.ensemble if lost == report.predictions else report.predictions
        content = other.read_bytes()
        lost.unlink()
        with pytest.raises(OutputExistsError, match="exists already"):
            _run(runs, Vote("soft"))
        assert other.read_bytes() == content
        _run(runs, Vote("soft"), force=True)


def test_a_member_whose_epoch_was_selected_on_val_is_reported(runs: Path) -> None:
    write_predictions(_member("c", 2, chosen_on="val"), runs / "c.parquet", force=True)
    report = _run(runs, Stack("ridge", 1.0))
    assert report.remarks == ("c was selected on val, so every figure above is optimistic.",)
    assert read_predictions(report.predictions).meta.chosen_on == "val"


def test_an_undefined_kappa_is_remarked(runs: Path) -> None:
    """All patients of grade 0, on which all methods agree."""
    for path in runs.glob("*.parquet"):
        predictions = read_predictions(path)
        rows = predictions.rows.assign(patient_grade=0, prob_0=1, score=0, predicted_grade=0)
        rows[["prob_1", "prob_2", "prob_3", "prob_4"]] = 0
        write_predictions(replace(predictions, rows=rows), path, force=True)
    message = "all reference and predicted grades are the same: kappa is undefined and reported as 0."
    assert _run(runs, Vote("hard")).remarks == (f"e: {message}",)
    config = CompareConfig(folds=2, resamples=100, out=runs / "compare.png")
    assert f"stack: {message}" in run_compare([runs / "*.parquet"], config).remarks


def test_a_member_with_the_name_of_a_baseline_is_a_member(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drkit.ensembling.comparison.METHODS", {})
    (runs / "a.parquet").rename(runs / "best member.parquet")
    config = CompareConfig(folds=2, resamples=100, out=runs / "compare.png")
    kinds = [item.kind for item in run_compare([runs / "*.parquet"], config).contenders]
    assert kinds == ["baseline", "baseline", "method", "member", "member", "member"]


def test_one_file_can_be_joined(runs: Path) -> None:
    out = runs.parent / "joined.parquet"
    run_ensemble([runs / "a"], Vote("soft"), replace(QUICK, out=out, fuse="patient"))
    rows = read_predictions(out).rows
    assert (rows.groupby("patient_id")["predicted_grade"].nunique() == 1).all()
    assert read_predictions(out).meta.unit == "patient"


def _invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("method", ["vote", "weight", "stack", "boost", "bag"])
def test_each_method_runs_from_the_shell(runs: Path, method: str) -> None:
    out = runs.parent / "e.parquet"
    quick = {"stack": ["--learner", "ridge"], "bag": ["--of", "vote", "--bags", 2]}.get(method, [])
    result = _invoke(
        "ensemble", method, runs / "*.parquet", *quick, "--folds", 2, "--resamples", 100, "--out", out, "--json"
    )
    assert result.exit_code == 0, result.output
    message = json.loads(result.stdout)
    assert message["members"] == ["a", "b", "c"]
    assert message["nested"]["cases"] == 30
    assert out.is_file()


def test_compare_writes_a_plot_and_prints_a_table(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"stack": Stack("ridge", 1.0), "bag of stacks": Bag(Stack("ridge", 1.0), 2)}
    monkeypatch.setattr("drkit.ensembling.comparison.METHODS", quick)
    out = runs.parent / "compared.svg"
    arguments = ["ensemble", "compare", runs / "*.parquet", "--fuse", "patient", "--folds", 2, "--resamples", 100]
    result = _invoke(*arguments, "--out", out)
    assert result.exit_code == 0, result.output
    assert "combining helps" in result.stdout.lower()
    assert "bag of stacks" in out.read_text()
    record = json.loads(out.with_suffix(".json").read_text())
    assert len(record["contenders"]) == 2 + 1 + 2 + 3
    assert set(record["files"]) == {"a", "b", "c"}
    refused = _invoke(*arguments, "--out", out)
    assert refused.exit_code == 2
    assert "exists already" in refused.stderr


def test_compare_reports_the_same_figures_as_the_command_of_each_method(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {"stack": Stack("ridge", 1.0), "bag of stacks": Bag(Stack("ridge", 1.0))}
    assert METHODS_COMPARED["bag of stacks"] == Bag(Stack())  # as `drkit ensemble bag` does
    monkeypatch.setattr(
        "drkit.ensembling.comparison.METHODS", {**METHODS_COMPARED, **quick, "boost, trees": Boost(rounds=5)}
    )
    files, out = sorted(runs.glob("*.parquet")), runs / "compare.png"
    tables = TableFiles(runs / "t.md", runs / "t.csv")
    report = run_compare(files, CompareConfig(folds=3, resamples=100, out=out), tables)
    table = pd.read_csv(tables.csv).set_index("name")
    assert list(table.index) == [item.name for item in report.contenders]
    assert "| stack |" in tables.markdown.read_text()
    compared = {item.name: item.nested.quadratic_weighted_kappa for item in report.contenders}
    for name, method in (("vote, majority", Vote("hard")), ("weight, kappa", Weight("kappa")), *quick.items()):
        own = run_ensemble(files, method, replace(QUICK, out=runs / "own.parquet", force=True))
        assert own.nested.quadratic_weighted_kappa == compared[name]
        assert table.loc[name, "quadratic_kappa"] == pytest.approx(compared[name], abs=1e-6)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Vote("hard"), "grades: the grade that most members give, ties broken by the mean score"),
        (Vote("median"), "grades: the median of the members' grades"),
        (Vote("soft"), "grades: the rounded score"),
        (Boost("adaboost"), "grades: the grade with the largest weighted vote"),
        (Bag(Vote("hard"), 2), "grades: the grade that most members give"),
        (Stack("ridge", 1.0), "grades: by cut points 0."),
    ],
)
def test_the_derivation_of_a_grade_is_described(runs: Path, method, message: str) -> None:
    report = run_ensemble(sorted(runs.glob("*.parquet")), method, replace(QUICK, out=runs / "out.parquet"))
    assert any(str(part).startswith(message) for part in report.render())


def test_a_mistake_is_one_line(runs: Path) -> None:
    result = _invoke("ensemble", "stack", runs / "nothing*.parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "no file matches the pattern" in result.stderr


def test_every_method_has_two_examples_and_says_what_it_reads_and_writes() -> None:
    from drkit.cli import ensemble

    for name, examples in ensemble.EXAMPLES.items():
        message = getattr(ensemble, name).__doc__
        assert len(examples) == 2
        assert all(example.startswith(f"drkit ensemble {name} ") for example in examples)
        assert "Reads:" in message
        assert "Writes:" in message
