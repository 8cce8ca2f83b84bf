"""Runs made of simulated predictions, without training."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from predictions_meta import EYE_META

from drkit.decisions import normal_probabilities
from drkit.evaluation import EvaluationSet
from drkit.plotting.curves import TrainingHistory
from drkit.plotting.selection import select
from drkit.records.history import EpochFigures, write_history
from drkit.records.labels import Labels
from drkit.records.layouts import read_dataset
from drkit.records.predictions import Predictions, build_predictions, write_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, list_networks

LONG_NAME = "tf_efficientnet_lite0-patient-patient-corn-cbam-ben-graham-clahe-seed-3"


@pytest.fixture(scope="session")
def grade_eyes(eyes: Path) -> Callable[..., Predictions]:
    """Predictions for the photographs of the synthetic eyes, with the given noise."""

    def grade(name: str = "run", *, noise: float = 0.8, seed: int = 0, embedded: bool = False, **meta: object):
        labels = read_dataset(eyes)
        generator = np.random.default_rng(seed)
        grades = labels.grades("eye").fillna(0).to_numpy(dtype=float)
        score = np.clip(grades + generator.normal(0, noise, len(grades)), 0, 4)
        return build_predictions(
            labels,
            probabilities=normal_probabilities(score, 0.7),
            score=score,
            meta=replace(EYE_META, **meta),
            name=name,
            embedding=generator.normal(grades[:, None], 1, (len(grades), 6)) if embedded else None,
        )

    return grade


@pytest.fixture(scope="session")
def cohort() -> Callable[..., EvaluationSet]:
    """A run on four photographs of each of 40 patients, ready to be drawn."""

    def build(
        name: str = "run", *, noise: float = 0.8, seed: int = 0, by: str = "photograph", **meta: object
    ) -> EvaluationSet:
        generator = np.random.default_rng(99)
        grades = np.repeat(generator.integers(0, 5, (40, 2)), 2, axis=1)
        rows = pd.DataFrame(
            {
                "image_id": [f"{p}_{e}{v}" for p in range(40) for e in "lr" for v in (1, 2)],
                "patient_id": np.repeat(np.arange(40).astype(str), 4),
                "eye": ["left", "left", "right", "right"] * 40,
                "view": [1, 2] * 80,
                "split": "val",
                "eye_grade": grades.ravel(),
                "patient_grade": np.repeat(grades.max(1), 4),
            }
        )
        labels = Labels(rows, Path("/nowhere"), "test", ("eye", "patient"))
        score = np.clip(grades.ravel() + np.random.default_rng(seed).normal(0, noise, 160), 0, 4)
        features = np.random.default_rng(seed).normal(grades.ravel()[:, None], 1, (160, 6))
        predictions = build_predictions(
            labels,
            probabilities=normal_probabilities(score, 0.7),
            score=score,
            meta=replace(EYE_META, **meta),
            name=name,
            embedding=features,
        )
        return select(predictions, None, by)

    return build


def build_history(
    epochs: int = 5, folds: int = 0, held_out: tuple[str, ...] = ("val",), seeds: tuple[int, ...] = ()
) -> list[EpochFigures]:
    """Figures that rise from epoch to epoch."""
    return [
        EpochFigures(
            epoch=epoch,
            split=split,
            fold=network.fold,
            seed=network.seed,
            loss=1 / epoch + shift,
            quadratic_weighted_kappa=0.1 * epoch - shift,
            plain_kappa=0.05 * epoch,
            accuracy=0.15 * epoch,
            learning_rate=1 / epoch,
        )
        for network in list_networks(folds, seeds)
        for epoch in range(1, epochs + 1)
        for split, shift in (("train", 0.0), *((split, 0.02 + 0.01 * sum(filter(None, network))) for split in held_out))
    ]


@pytest.fixture(scope="session")
def history() -> Callable[..., TrainingHistory]:
    """A training with the history of `build_history`."""

    def build(
        epochs: int = 5, folds: int = 0, held_out: tuple[str, ...] = ("val",), seeds: tuple[int, ...] = ()
    ) -> TrainingHistory:
        rows = pd.DataFrame([vars(item) for item in build_history(epochs, folds, held_out, seeds)])
        kept = dict.fromkeys(list_networks(folds, seeds), epochs - 1)
        return TrainingHistory(rows.astype({"fold": "Int16", "seed": "Int64"}), kept)

    return build


@pytest.fixture(scope="session")
def write_run(tmp_path_factory: pytest.TempPathFactory, grade_eyes: Callable[..., Predictions]) -> Callable[..., Path]:
    """Write a finished run without weights to a folder of its own, and return its stem."""

    def write(name: str = "quick", record: dict[str, object] | None = None, **changes: object) -> Path:
        run = Run(tmp_path_factory.mktemp("runs") / name)
        write_predictions(grade_eyes(name, **changes), run.predictions)
        write_history(build_history(), run.history, force=False)
        content = {
            "schema_version": 1,
            "name": name,
            "files": {path.name: sha256_file(path) for path in (run.history, run.predictions)},
            "options": {"backbone": "resnet18", "weights": "imagenet", "size": 64, "steps": [], "folds": 0},
            "folds": 0,
            "epoch": [4],
            "trained_on_photographs": ["ab" * 32, "cd" * 32],
            "made": {"command": f"drkit finetune --name {name}", "finished": "2026-01-01", "drkit_version": "0"},
            **(record or {}),
        }
        run.record.write_text(json.dumps(content))
        return run.stem

    return write


def shown_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is drawn, with its box in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [*figure.texts, *([figure._suptitle] if figure._suptitle else [])]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        texts += [axes.title, *axes.texts, *(_labels(axes) if axes.axison else [])]
    once = {id(text): text for text in texts if text.get_visible() and text.get_text().strip()}
    return [(text.get_text(), text.get_window_extent(renderer)) for text in once.values()]


def _labels(axes: Axes) -> list[Text]:
    found = []
    for axis in (axis for axis in (axes.xaxis, axes.yaxis) if axis.get_visible()):
        low, high = sorted(axis.get_view_interval())
        ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
        found += [label for place, label in ticks if low <= place <= high]
        found += [axis.label, axis.offsetText]
    return found


@pytest.fixture(scope="session")
def check_texts() -> Callable[[Figure], None]:
    """Check that no text is cut off by the edge of the figure and that no two texts overlap."""

    def check(figure: Figure) -> None:
        texts = shown_texts(figure)
        assert texts
        width, height = figure.bbox.size
        cut = [text for text, box in texts if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1]
        assert cut == []
        overlapping = [
            (first, second)
            for place, (first, box) in enumerate(texts)
            for second, other in texts[place + 1 :]
            if min(box.x1, other.x1) - max(box.x0, other.x0) > 1 and min(box.y1, other.y1) - max(box.y0, other.y0) > 1
        ]
        assert overlapping == []

    return check


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save all figures as empty SVGs, for tests that do not look at them."""

    def draw_nothing(_: Figure, buffer: BytesIO, **__: object) -> None:
        buffer.write(b"<svg/>")

    monkeypatch.setattr(Figure, "savefig", draw_nothing)
