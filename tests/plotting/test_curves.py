from dataclasses import replace

import numpy as np
import pytest

from drkit.errors import InputError
from drkit.plotting.curves import MEASURES, draw_curves, read_kept
from drkit.plotting.epochs import draw_epochs, pair_epochs
from drkit.records.runs import list_networks


def test_the_lines_are_the_histories(history) -> None:
    run = history(epochs=4)
    figure = draw_curves({"a": run})
    assert [axes.get_title() for axes in figure.axes] == list(MEASURES.values())
    for axes, measure in zip(figure.axes[:4], MEASURES, strict=False):
        for line, split in zip(axes.lines, ("train", "val"), strict=False):
            rows = run.rows[run.rows["split"] == split]
            assert np.array_equal(line.get_xydata(), rows[["epoch", measure]].to_numpy(dtype=float))


def test_the_kept_epoch_is_ringed_on_the_held_out_line(history) -> None:
    run = history(epochs=4)
    ring = draw_curves({"a": run}, ["loss"]).axes[0].lines[-1]
    expected = run.rows[(run.rows["split"] == "val") & (run.rows["epoch"] == 3)]["loss"].iloc[0]
    assert ring.get_fillstyle() == "none"
    assert ring.get_xydata().tolist() == [[3, expected]]


@pytest.mark.parametrize(("folds", "seeds"), [(3, ()), (0, (4, 5, 6))])
def test_networks_are_thin_and_their_mean_is_thick(history, folds: int, seeds: tuple[int, ...]) -> None:
    run = history(epochs=4, folds=folds, held_out=("inner",), seeds=seeds)
    lines = draw_curves({"a": run}, ["accuracy"]).axes[0].lines
    thick = [line for line in lines if line.get_linewidth() > 1 and len(line.get_xdata()) == 4]
    thin = [line for line in lines if line.get_linewidth() < 1]
    rings = [line for line in lines if line.get_fillstyle() == "none" and len(line.get_xdata()) == 1]
    assert (len(thick), len(thin), len(rings)) == (2, 6, 3)
    mean = run.rows[run.rows["split"] == "inner"].groupby("epoch")["accuracy"].mean()
    assert np.allclose(thick[1].get_ydata(), mean)


@pytest.mark.parametrize("held_out", [("held-out",), ("inner", "held-out"), ("inner", "held-out", "val")])
def test_curves_of_a_run_with_folds_use_the_held_out_part_of_each_fold(history, held_out: tuple[str, ...]) -> None:
    run = history(epochs=4, folds=2, held_out=held_out)
    figure = draw_curves({"a": run}, ["accuracy"])
    rings = [line for line in figure.axes[0].lines if line.get_fillstyle() == "none" and len(line.get_xdata()) == 1]
    judged = run.rows[(run.rows["split"] == held_out[-1]) & (run.rows["epoch"] == 3)]["accuracy"]
    assert sorted(line.get_ydata()[0] for line in rings) == pytest.approx(sorted(judged))
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(text.startswith("held out") for text in entries)
    assert len(draw_epochs({"a": run}, ["accuracy"]).axes[0].collections) == 2


def test_the_learning_rate_has_one_line_a_run(history) -> None:
    axes = draw_curves({"a": history(), "b": history(epochs=3)}, ["learning_rate"]).axes[0]
    assert [len(line.get_xdata()) for line in axes.lines] == [5, 3]


def test_each_run_has_its_entry_in_the_legend(history) -> None:
    legend = draw_curves({"a": history(), "b": history(folds=2)}).legends[0]
    entries = [text.get_text() for text in legend.get_texts()]
    assert entries[:2] == ["a", "b"]
    assert {"val", "epoch kept", "one network (fold, seed); thick: their mean"} < set(entries)
    assert not any(text.startswith("inner") for text in entries)


@pytest.mark.parametrize(
    ("record", "folds", "seeds", "kept"),
    [
        (3, 0, (), {(None, None): 3}),
        ([3], 0, (), {(None, None): 3}),
        ([3, 5], 2, (), {(0, None): 3, (1, None): 5}),
        ([3, 5, 6, 7], 2, (8, 9), {(0, 8): 3, (1, 8): 5, (0, 9): 6, (1, 9): 7}),
        ([3, 5], 0, (), {}),
        (None, 0, (), {}),
        ("?", 0, (), {}),
    ],
)
def test_kept_epochs_are_read_as_a_record_states_them(
    record: object, folds: int, seeds: tuple[int, ...], kept: dict[tuple[int | None, int | None], int]
) -> None:
    assert read_kept(record, list_networks(folds, seeds)) == kept


def test_a_point_an_epoch_compares_training_with_held_out(history) -> None:
    run = history(epochs=4, held_out=("inner", "val"))
    points = draw_epochs({"a": run}, ["loss"]).axes[0].collections[0].get_offsets()
    by_split = run.rows.set_index("epoch").groupby("split")["loss"]
    assert np.allclose(points, np.stack([by_split.get_group("train"), by_split.get_group("val")], 1))


def test_the_inner_split_replaces_a_missing_val(history) -> None:
    rows = history(held_out=("inner",)).rows
    expected = rows[rows["split"] == "inner"]["accuracy"].to_numpy()
    assert np.array_equal(pair_epochs(rows, "accuracy")["held_out"], expected)


def test_a_training_without_held_out_patients_is_refused(history) -> None:
    with pytest.raises(InputError, match="alone has no epochs on held-out patients"):
        draw_epochs({"alone": history(held_out=())})


def test_of_many_runs_only_means_are_drawn_and_the_legend_can_be_left_out(history) -> None:
    runs = {name: history(epochs=4, folds=2) for name in "abcd"}
    figure = draw_curves(runs, ["accuracy"], legend=False)
    assert not figure.legends
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 4]
    assert len(lines) == 4 * 2  # train and val of each run
    rings = [line for line in figure.axes[0].lines if line.get_fillstyle() == "none"]
    assert [line.get_xdata().tolist() for line in rings] == [[3]] * 4
    assert len(draw_epochs(runs, ["accuracy"], legend=False).axes[0].collections) == 4
    legend = draw_curves(runs).legends[0]
    assert "mean of the networks of folds and seeds" in {text.get_text() for text in legend.get_texts()}


def test_epochs_have_equal_axes_and_the_whole_diagonal(history) -> None:
    for axes in draw_epochs({"a": history(epochs=4)}).axes:
        assert axes.get_xlim() == axes.get_ylim()
        assert axes.get_aspect() == 1
        diagonal = next(line for line in axes.lines if len(line.get_xdata()) == 2)
        assert tuple(diagonal.get_xdata()) == tuple(diagonal.get_ydata()) == axes.get_xlim()


def test_curves_say_data_and_splits(history) -> None:
    run = replace(history(held_out=("held-out", "val")), data="DeepDRiD")
    assert draw_curves({"a": run}).get_suptitle() == "DeepDRiD: train, held-out, val"
