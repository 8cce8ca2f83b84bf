"""Pictures of a finished run in its log: training curves, and the confusion matrix of its held-out photographs."""

from contextlib import suppress

from matplotlib.figure import Figure

from drkit.config.training_options import MachineOptions
from drkit.errors import DrkitError
from drkit.plotting.confusion import draw_confusion
from drkit.plotting.curves import draw_curves
from drkit.plotting.histories import read_training_histories
from drkit.plotting.selection import select
from drkit.plotting.style import styled, write_figure
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run
from drkit.training.trackers import LogFolder, find_log


def log_pictures(config: MachineOptions, run: Run) -> None:
    """Add the pictures of a finished run to its log, if it has one: PNG files beside the CSV, images in TensorBoard."""
    if (folder := find_log(config, run)) is None:
        return
    pictures = {"curves": draw_curves(read_training_histories([run.stem]))}
    with suppress(DrkitError):  # no photograph was held out
        pictures["confusion"] = draw_confusion([select(read_predictions(run.stem))])
    if folder.kind == "csv":
        for name, figure in pictures.items():
            write_figure(figure, folder.path / f"{name}.png", force=True)
    else:
        _add_to_tensorboard(folder, pictures)


def _add_to_tensorboard(folder: LogFolder, pictures: dict[str, Figure]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder.path), filename_suffix=".pictures") as writer, styled():
        for name, figure in pictures.items():
            writer.add_figure(name, figure)
