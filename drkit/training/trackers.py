"""Logs that experiment trackers read: the figures of every epoch, written to this machine's disk and sent nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from warnings import catch_warnings, simplefilter

from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from drkit.config.training_options import Log, MachineOptions
from drkit.errors import OutputExistsError, UsageError
from drkit.records.history import EpochFigures
from drkit.records.runs import NetworkId, Run

MEASURES = ("loss", "quadratic_weighted_kappa", "plain_kappa", "accuracy")


@dataclass(frozen=True)
class LogFolder:
    """Where a run's log goes, and in whose form.

    Args:
        kind: `csv` or `tensorboard`.
        path: `logs/NAME`; with folds or seeds, each network has a folder in it, such as `fold0.seed1`.
    """

    kind: Log
    path: Path

    def check(self, *, may_exist: bool) -> None:
        """Refuse what cannot be logged, before any work.

        Args:
            may_exist: Whether an earlier log may be gone on with, or replaced.

        Raises:
            UsageError: TensorBoard is not installed.
            OutputExistsError: there is a log already.
        """
        if self.kind == "tensorboard" and find_spec("tensorboard") is None:
            raise UsageError("--log tensorboard needs TensorBoard: pip install 'drkit[tensorboard]'")
        if not may_exist and self.path.is_dir() and any(self.path.iterdir()):
            raise OutputExistsError(f"{self.path} holds an earlier log: use --force, or choose another --log-dir")

    def open(self, network: NetworkId, history: Sequence[EpochFigures]) -> "EpochLog":
        """The log of one network, with the epochs that are done.

        Args:
            network: Its fold and seed.
            history: Figures of the epochs that are done; whatever the log says of later ones is dropped.
        """
        log = EpochLog(self._build_logger(network, first_epoch=max((each.epoch for each in history), default=0) + 1))
        if self.kind == "csv":  # the file is written anew
            for _, of_epoch in groupby(history, lambda figures: figures.epoch):
                log.add(list(of_epoch))
        return log

    def _build_logger(self, network: NetworkId, first_epoch: int) -> Logger:
        name = network.infix.lstrip(".")
        if self.kind == "tensorboard":
            return TensorBoardLogger(self.path, name="", version=name, purge_step=first_epoch)
        with catch_warnings():
            simplefilter("ignore", UserWarning)  # that an earlier file will be replaced, as it is meant to be
            logger = CSVLogger(self.path, name="", version=name)
            _ = logger.experiment
        return logger


def find_log(config: MachineOptions, run: Run) -> LogFolder | None:
    """Where a run is logged; None: nowhere."""
    return LogFolder(config.log, config.log_dir / run.name) if config.log else None


@dataclass(frozen=True)
class EpochLog:
    """The log of one network.

    Args:
        logger: Who writes it.
    """

    logger: Logger

    def add(self, figures: Sequence[EpochFigures]) -> None:
        """Write the figures of one epoch, of all splits, as `val/loss` and so on."""
        metrics = {f"{each.split}/{name}": getattr(each, name) for each in figures for name in MEASURES}
        self.logger.log_metrics(metrics | {"learning_rate": figures[0].learning_rate}, step=figures[0].epoch)
        self.logger.save()
