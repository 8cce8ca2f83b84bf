"""Set up a training: start its processes, build the network, decode the photographs and check them for leakage."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric
from torch import Tensor

from drkit.data.augmentation import load_policy
from drkit.data.bank import PhotographBank, build_bank
from drkit.data.cache import default_cache_dir, delete_temporary
from drkit.data.file_remarks import report_file_remarks
from drkit.data.stream import PhotographStream
from drkit.machine import keep_freed_memory
from drkit.models.backbones import weights_at_hand
from drkit.models.freezing import check_cut, frozen_tensors
from drkit.models.grader import Grader, build_grader
from drkit.progress import SilentReporter, reporting_to, track
from drkit.records.preprocessed import read_source_hashes
from drkit.training.batches import check_batches
from drkit.training.devices import check_compiler
from drkit.training.inputs import NOT_BANKED, FrozenInputs, PhotographInputs, freeze_inputs
from drkit.training.kept_head import load_head
from drkit.training.leakage import Leakage, check_leakage
from drkit.training.plan import TrainingPlan
from drkit.training.processes import make_once, start_fabric
from drkit.training.seeding import seed_epoch


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """Device, network and photographs of a training.

    Args:
        plan: Plan of the training.
        fabric: Device, precision and processes.
        grader: The network before the first step, on the device.
        photographs: The photographs that every epoch reads, by their row numbers in the plan.
        hashes: SHA-256 of the plan's N photographs, or of their originals.
        leakage: Photographs that cannot be scored fairly.
    """

    plan: TrainingPlan
    fabric: Fabric
    grader: Grader
    photographs: PhotographInputs
    hashes: Sequence[str]
    leakage: Leakage

    @property
    def bank(self) -> PhotographBank:
        """The decoded photographs that every epoch reads."""
        return self.photographs.bank

    def of_seed(self, seed: int) -> "TrainingSetup":
        """Return this setup with the network and the augmentation of another seed."""
        if seed == self.plan.config.seed:
            return self
        plan = self.plan.of_seed(seed)
        with reporting_to(SilentReporter()):  # the weights have been reported for the first seed
            grader = build_initial_grader(plan)
        photographs = replace(self.photographs, seed=seed)
        return replace(self, plan=plan, grader=grader.to(self.fabric.device), photographs=photographs)

    @cached_property
    def frozen_tensors(self) -> dict[str, Tensor]:
        """Tensors of the frozen part, which no step changes, on the CPU, by name."""
        tensors = frozen_tensors(self.grader, self.plan.config.frozen_stages)
        return {name: tensor.cpu() for name, tensor in tensors.items()}

    def make_inputs(self, earlier: FrozenInputs | None) -> PhotographInputs | FrozenInputs:
        """Make the inputs of the trained part; with frozen stages, this runs them over all photographs.

        Args:
            earlier: Inputs of another seed, whose features without augmentation are reused if they are the same.
        """
        config = self.plan.config
        if config.frozen_stages == 0:
            return self.photographs
        return freeze_inputs(self.grader, self.photographs, self.plan.fitted_rows, config, self.fabric, earlier)


def set_up(plan: TrainingPlan) -> TrainingSetup:
    """Start the processes, build the network, decode the photographs and check them for leakage.

    Raises:
        UsageError: a device, a precision or a compiler is not available.
        InputError: a photograph or the weights cannot be read.
        LeakageError: the weights were trained on photographs to be scored.
    """
    config = plan.config
    leaves_out = config.unfreeze_every is not None or config.unshared or config.freeze != "none"
    fabric = start_fabric(config, leaves_out=leaves_out)
    keep_freed_memory()
    if config.compile:
        check_compiler(fabric.device)
    grader = build_initial_grader(plan)
    check_cut(grader, config.frozen_stages, plan.input_format.side)
    check_batches(plan, grader)
    bank, hashes, leakage = make_once(fabric, partial(_decode, plan, in_file=fabric.world_size > 1))
    if fabric.world_size > 1:
        fabric.barrier()  # waits until all processes have mapped the bank
        delete_temporary(bank.pixels)
    banked, policy = plan.banked_rows, load_policy(config.augment)
    names = plan.labels.rows["image_id"].iloc[banked].tolist()
    positions = np.full(len(plan.labels), NOT_BANKED)
    positions[banked] = np.arange(len(banked))
    photographs = PhotographInputs(
        bank=bank,
        image_ids=names,
        input_format=plan.input_format,
        policy=policy,
        seed=config.seed,
        device=fabric.device,
        positions=positions,
    )
    return TrainingSetup(
        plan=plan,
        fabric=fabric,
        grader=grader.to(fabric.device),
        photographs=photographs,
        hashes=hashes,
        leakage=leakage,
    )


def _decode(plan: TrainingPlan, *, in_file: bool) -> tuple[PhotographBank, Sequence[str], Leakage]:
    """Decode the photographs that every epoch reads, and check that the others can be decoded."""
    banked = plan.banked_rows
    bank = build_bank(
        replace(plan.labels, rows=plan.labels.rows.iloc[banked].reset_index(drop=True)),
        plan.bank_side,
        plan.config.cache_dir or default_cache_dir(),
        workers=plan.config.workers,
        steps=plan.pending_steps,
        round_discs=plan.round_discs,
        in_file=in_file,
    )
    try:
        hashes = np.empty(len(plan.labels), object)
        hashes[banked] = bank.hashes
        others = np.setdiff1d(np.arange(len(hashes)), banked)
        hashes[others] = _hash_readable(plan, others)
        return bank, hashes.tolist(), check_leakage(plan, hashes.tolist())
    except BaseException:
        delete_temporary(bank.pixels)
        raise


def _hash_readable(plan: TrainingPlan, rows: np.ndarray) -> tuple[str, ...]:
    """Hash the photographs that are decoded again after the training, or their originals (SHA-256).

    Raises:
        UnreadablePhotographsError: some cannot be read.
    """
    paths = [Path(path) for path in plan.labels.rows["path"].iloc[rows]]
    stream = PhotographStream(paths, plan.square_decoder, plan.config.workers)
    one_by_one = list(np.arange(len(rows))[:, None])
    for _ in track(stream.read(one_by_one), "checking the other photographs", len(rows)):
        pass
    stream.check_readable()
    report_file_remarks(stream.remarks)
    return stream.contents(read_source_hashes(plan.labels.roots))


def build_initial_grader(plan: TrainingPlan, *, with_download: bool = True) -> Grader:
    """Build the network before the first step; tensors that the initial weights lack are drawn from the seed.

    Args:
        plan: Plan of the training.
        with_download: Whether to download ImageNet weights; otherwise, weights that are not on this machine are drawn.

    Raises:
        UsageError: the network cannot be built for this image size, or the head does not fit.
        InputError: the weights do not fit, or cannot be downloaded.
    """
    initial = plan.initial_weights
    seed_epoch(plan.config.seed, 0)
    pretrained = initial.is_pretrained and (with_download or weights_at_hand(initial.backbone) is not None)
    grader = build_grader(plan.architecture, pretrained=pretrained, load=initial.load)
    if plan.config.keep_head:
        load_head(grader, initial)
    return grader
