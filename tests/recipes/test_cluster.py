"""Commands on a Dask cluster of which a worker is killed: the same results as on this machine."""

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from drkit import engine
from drkit.config.check import CheckConfig
from drkit.config.predict import PredictConfig
from drkit.config.preprocess import PreprocessConfig
from drkit.config.shared import EngineOptions
from drkit.config.training import RunOptions, TrainingConfig
from drkit.engine import map_on_cluster
from drkit.errors import InputError, UnreadablePhotographsError
from drkit.grading import networks
from drkit.progress import SilentReporter, reporting_to
from drkit.recipes.check import run_check
from drkit.recipes.finetune import run_finetune
from drkit.recipes.predict import run_predict
from drkit.recipes.preprocess import run_preprocess
from drkit.records.predictions import read_predictions
from drkit.reporting import as_json

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
T = TypeVar("T")


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """Two processes of one thread each; one that is killed is started again."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.fixture
def dask(cluster) -> EngineOptions:
    return EngineOptions("dask", cluster.scheduler_address)


class KillingReporter(SilentReporter):
    """Kills a worker of a cluster as soon as the first result of the work with a description has arrived.

    Attributes:
        killed: Process ids of the killed workers.
    """

    def __init__(self, cluster, description: str) -> None:
        self.cluster, self.description, self.killed = cluster, description, []

    def track(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        """Yield the items."""
        for number, item in enumerate(items):
            if number == 0 and description == self.description:
                self.killed.append(self.cluster.workers[0].pid)
                os.kill(self.killed[-1], signal.SIGKILL)
            yield item


@pytest.fixture
def few_items_per_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tasks small, so that both workers have some left when one is killed."""
    monkeypatch.setattr(map_on_cluster, "__defaults__", (2,))
    monkeypatch.setattr(networks, "PHOTOGRAPHS_PER_TASK", 8)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.usefixtures("few_items_per_task")
def test_preprocess_writes_the_same_bytes(cluster, dask: EngineOptions, eyes: Path, tmp_path: Path) -> None:
    config = PreprocessConfig(out=tmp_path / "here", steps="circle-crop,clahe", data=[eyes], size=64, workers=1)
    run_preprocess(config)
    reporter, on_cluster = KillingReporter(cluster, "photographs"), replace(config, out=tmp_path / "cluster")
    with reporting_to(reporter):
        run_preprocess(on_cluster, dask)
    assert len(reporter.killed) == 1
    assert files_of(on_cluster.out) == files_of(config.out)


@pytest.mark.usefixtures("few_items_per_task")
def test_check_finds_the_same(cluster, dask: EngineOptions, eyes: Path, tmp_path: Path) -> None:
    photographs = sorted((eyes / "train").rglob("*.jpg"))
    data = tmp_path / "data"
    data.mkdir()
    for number, path in enumerate([*photographs, photographs[3]]):
        (data / f"{number}.jpg").write_bytes(path.read_bytes()[: 300 if number == 5 else None])
    here = run_check([data], CheckConfig())
    assert {"unreadable-photograph", "identical-photographs"} <= set(here.kinds)
    reporter = KillingReporter(cluster, "reading photographs")
    with reporting_to(reporter):
        on_cluster = run_check([data], CheckConfig(), dask)
    assert len(reporter.killed) == 1
    assert as_json(on_cluster) == as_json(here)


@pytest.mark.usefixtures("few_items_per_task")
def test_predict_grades_the_same(
    cluster, dask: EngineOptions, small_config: TrainingConfig, eyes: Path, tmp_path: Path
) -> None:
    trained = replace(small_config, unit="patient", epochs=1, tta=True, seeds=2)
    run = run_finetune(trained, RunOptions(tmp_path / "runs", "run")).run
    config = PredictConfig(data=[eyes], out=tmp_path / "here.parquet", device="cpu", embeddings=True, workers=1)
    run_predict(run, config)
    reporter = KillingReporter(cluster, "grading photographs")
    on_cluster = replace(config, out=tmp_path / "cluster.parquet")
    with reporting_to(reporter):
        run_predict(run, on_cluster, dask)
    assert len(reporter.killed) == 1
    one, other = read_predictions(config.out), read_predictions(on_cluster.out)
    assert other.meta == one.meta
    assert other.rows["image_id"].tolist() == one.rows["image_id"].tolist()
    assert np.allclose(other.probabilities(), one.probabilities(), atol=1e-6)
    assert np.allclose(other.embeddings(), one.embeddings(), atol=1e-2)
    assert other.rows["predicted_grade"].tolist() == one.rows["predicted_grade"].tolist()


def test_predict_names_all_photographs_that_a_worker_cannot_read(
    dask: EngineOptions, run_stem: Path, eyes: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted((eyes / "val").rglob("*.jpg"))[:4]):
        (tmp_path / f"{number}.jpg").write_bytes(path.read_bytes()[: 300 if number % 2 else None])
    config = PredictConfig(data=[tmp_path], out=tmp_path / "out" / "a.parquet", device="cpu")
    with pytest.raises(UnreadablePhotographsError, match=r"2 photographs .*1\.jpg .*3\.jpg .*--keep-going skips"):
        run_predict(run_stem, config, dask)
    report = run_predict(run_stem, replace(config, keep_going=True), dask)
    assert list(report.unreadable) == ["1", "3"]
    assert read_predictions(report.predictions).rows["image_id"].tolist() == ["0", "2"]


def test_another_run_under_the_same_path_is_refused(
    dask: EngineOptions, run_stem: Path, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "_identify", lambda _: "that of another machine")
    with pytest.raises(InputError, match="has another run at"):
        run_predict(run_stem, PredictConfig(data=[eyes], out=tmp_path / "a.parquet", device="cpu"), dask)


def test_a_worker_with_another_version_is_refused(dask: EngineOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drkit.__version__", "99.0")
    with pytest.raises(InputError, match=r"worker tcp.* has drkit .*, expected 99\.0: install the same version"):
        list(map_on_cluster(abs, [1], dask.scheduler))


def _kill_the_worker(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_items_that_terminate_every_worker_are_reported(
    cluster, dask: EngineOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 1)
    with pytest.raises(InputError, match=r"lost 2 workers on the same photographs"):
        list(map_on_cluster(_kill_the_worker, [1], dask.scheduler))


def test_a_scheduler_that_does_not_respond_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        list(map_on_cluster(abs, [1], "tcp://127.0.0.1:9"))
