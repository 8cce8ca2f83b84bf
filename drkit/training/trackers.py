"""Logs of every epoch's figures for experiment trackers, written to the local disk only."""

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
    """Folder and format of a run's log.

    Args:
        kind: `csv` or `tensorboard`.
        path: Folder `logs/NAME`; with folds or seeds, each network has a subfolder, such as `fold0.seed1`.
    """

    kind: Log
    path: Path

    def check(self, *, may_exist: bool) -> None:
        """Check, before any work, that the log can be written.

        Args:
            may_exist: Whether an earlier log may be continued or replaced.

        Raises:
            UsageError: TensorBoard is not installed.
            OutputExistsError: the folder contains an earlier log.
        """
        if self.kind == "tensorboard" and find_spec("tensorboard") is None:
            raise UsageError("--log tensorboard needs TensorBoard: pip install 'drkit[tensorboard]'")
        if not may_exist and self.path.is_dir() and any(self.path.iterdir()):
            raise OutputExistsError(f"{self.path} holds an earlier log: use --force, or choose another --log-dir")

    def open(self, network: NetworkId, history: Sequence[EpochFigures]) -> "EpochLog":
        """Open the log of one network after its finished epochs.

        Args:
            network: Fold and seed of the network.
            history: Figures of the finished epochs; later epochs in an existing log are dropped.
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
            simplefilter("ignore", UserWarning)  # about replacing an earlier file, which is intended
            logger = CSVLogger(self.path, name="", version=name)
            _ = logger.experiment
        return logger


def find_log(config: MachineOptions, run: Run) -> LogFolder | None:
    """Find the log of a run; None without `--log`."""
    return LogFolder(config.log, config.log_dir / run.name) if config.log else None


@dataclass(frozen=True)
class EpochLog:
    """The log of one network.

    Args:
        logger: Fabric's logger.
    """

    logger: Logger

    def add(self, figures: Sequence[EpochFigures]) -> None:
        """Write the figures of all splits in one epoch, as `val/loss` and so on."""
        metrics = {f"{each.split}/{name}": getattr(each, name) for each in figures for name in MEASURES}
        self.logger.log_metrics(metrics | {"learning_rate": figures[0].learning_rate}, step=figures[0].epoch)
        self.logger.save()
