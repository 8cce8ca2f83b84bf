"""Restore the networks of a finished run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drkit.catalogue import ATTENTIONS, LOSSES
from drkit.data.rendering import InputFormat
from drkit.data.stream import SquareDecoder
from drkit.errors import UsageError
from drkit.models.grader import Grader, build_grader, restore_grader
from drkit.records.checkpoint import CheckpointHeader, read_checkpoint
from drkit.records.labels import Labels
from drkit.records.preprocessed import steps_to_apply
from drkit.records.runs import NetworkId, Run, find_run, networks_in, read_run_record, verify_checksums
from drkit.specs import names_in


@dataclass(frozen=True)
class OpenedRun:
    """A finished run with its networks.

    Args:
        run: Files of the run.
        record: Content of the run's JSON.
        headers: Header of each network's checkpoint.
        graders: Network of each fold and seed, on the CPU, in evaluation mode.
    """

    run: Run
    record: dict[str, Any]
    headers: tuple[CheckpointHeader, ...]
    graders: tuple[Grader, ...]

    @property
    def header(self) -> CheckpointHeader:
        """Header of the first checkpoint; inputs, target and unit are the same in all headers."""
        return self.headers[0]

    @property
    def input_format(self) -> InputFormat:
        """Side and normalisation of the networks' input images."""
        return InputFormat(self.header.architecture.side, self.header.mean, self.header.std)

    def square_decoder(self, labels: Labels) -> SquareDecoder:
        """Build the decoder that prepares a data set's photographs for the networks.

        Raises:
            InputError: the photographs went through preprocessing that the run's have not.
        """
        header = self.header
        return SquareDecoder(
            header.bank_side, steps_to_apply(labels.roots, header.steps, header.plugins), header.round_discs
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the networks; empty for a run of one seed."""
        return tuple(dict.fromkeys(header.seed for header in self.headers if header.seed is not None))

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """Checkpoints of the networks."""
        return tuple(self.run.checkpoint(NetworkId(header.fold, header.seed)) for header in self.headers)


def open_run(path: Path, fold: int | None = None, seed: int | None = None) -> OpenedRun:
    """Rebuild a finished run's networks without internet access.

    Args:
        path: Stem of the run, or any of its files.
        fold: Fold whose networks are opened; None for all folds.
        seed: Seed whose networks are opened; None for all seeds.

    Raises:
        InputError: the run does not exist, or a checkpoint does not match its record.
        UsageError: the run has no such fold or seed.
    """
    run = find_run(path)
    record = read_run_record(run)
    networks = [network for network in networks_in(record) if fold in (None, network.fold)]
    if not networks:
        raise UsageError(f"--fold {fold}: {run.stem} has {record['folds'] or 'no'} folds")
    networks = [network for network in networks if seed in (None, network.seed)]
    if not networks:
        seeds = f"seeds {', '.join(map(str, record['seeds']))}" if record["seeds"] else "a single seed"
        raise UsageError(f"--network-seed {seed}: {run.stem} was trained with {seeds}")
    headers, graders = zip(*(_open_checkpoint(run, record, network) for network in networks), strict=True)
    return OpenedRun(run, record, headers, graders)


def _open_checkpoint(run: Run, record: dict[str, Any], network: NetworkId) -> tuple[CheckpointHeader, Grader]:
    path = run.checkpoint(network)
    tensors, header = read_checkpoint(path)
    verify_checksums(run, record, path)
    LOSSES.check_packages(header.plugins, names_in(header.architecture.loss), run.title)
    ATTENTIONS.check_packages(header.plugins, names_in(header.architecture.attention), run.title)
    grader = build_grader(header.architecture)
    return header, restore_grader(grader, tensors, str(path)).eval()
