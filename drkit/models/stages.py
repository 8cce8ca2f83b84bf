"""The stages of a network: where its lower part can be cut off, frozen and run once for all."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

Stage = tuple[str, ...]  # paths of the modules that make it up


def find_stages(network: nn.Module, run: Callable[[], object]) -> tuple[Stage, ...]:
    """The modules of a timm network, in the order they work, cut after each stage that timm names.

    Args:
        network: With timm's `feature_info`; without it, all is one stage.
        run: Sends an image through the network.

    Returns:
        Stages from the image upwards: the stem belongs to the first, what follows the last to the last.
    """
    order = _in_order(network, _slots(network), run)
    names = [str(info["module"]) for info in getattr(network, "feature_info", None) or []]
    ends = sorted({_last_of(order, name) for name in names[:-1]} - {-1, len(order) - 1})
    cuts = [0, *(end + 1 for end in ends), len(order)]
    stages = [tuple(order[begin:end]) for begin, end in pairwise(cuts) if end > begin]
    return _join_untrained(network, stages)


@contextmanager
def bypassed(module: nn.Module, paths: Sequence[str]) -> Iterator[None]:
    """Let the modules at `paths` pass on what they are given, and restore them at the end."""
    kept = {path: module.get_submodule(path) for path in paths}
    hidden = _hide_positions(module, paths)
    try:
        for path in kept:
            _replace(module, path, nn.Identity())
        yield
    finally:
        for path, original in kept.items():
            _replace(module, path, original)
        for owner in hidden:
            del owner._pos_embed


def freeze(module: nn.Module, paths: Sequence[str], *, frozen: Sequence[str]) -> None:
    """Let the modules at `paths` learn, except those `frozen`, whose norms keep their statistics, too."""
    for path in paths:
        part = module.get_submodule(path)
        part.requires_grad_(path not in frozen)
        if path in frozen:
            part.eval()


def can_be_cut(in_parts: Callable[[], Tensor], whole: Tensor) -> bool:
    """Whether a run through the lower part and then the upper one gives what the whole network gives."""
    try:
        with torch.inference_mode():
            return torch.allclose(in_parts(), whole, rtol=1e-3, atol=1e-4)
    except (RuntimeError, TypeError, ValueError, AssertionError, IndexError, AttributeError):
        return False  # its stages are handed more than the one before gives, such as positions


def _slots(network: nn.Module) -> list[str]:
    """Paths of the smallest parts that a chain of stages is made of: children, and elements of sequences."""
    paths = []
    for name, child in network.named_children():
        sequence = isinstance(child, nn.Sequential | nn.ModuleList)
        paths += [f"{name}.{key}" for key, _ in child.named_children()] if sequence else [name]
    return paths


def _in_order(network: nn.Module, paths: Sequence[str], run: Callable[[], object]) -> list[str]:
    """The paths in the order in which a run reaches them; others are left out."""
    reached: dict[str, None] = {}
    hooks = [
        network.get_submodule(path).register_forward_pre_hook(lambda *_, path=path: reached.setdefault(path))
        for path in paths
    ]
    try:
        with torch.inference_mode():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return list(reached)


def _last_of(order: Sequence[str], name: str) -> int:
    """Number of the last slot that is, holds or lies in the module called `name`; -1 where there is none."""
    related = [
        number
        for number, path in enumerate(order)
        if path == name or path.startswith(f"{name}.") or name.startswith(f"{path}.")
    ]
    return related[-1] if related else -1


def _join_untrained(network: nn.Module, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Stages without parameters (a last pool) belong to the one before."""
    joined: list[Stage] = []
    for stage in stages:
        trained = any(True for path in stage for _ in network.get_submodule(path).parameters())
        if joined and not trained:
            joined[-1] += stage
        else:
            joined.append(stage)
    return tuple(joined)


def _hide_positions(module: nn.Module, paths: Sequence[str]) -> list[nn.Module]:
    """Keep transformers from adding positions to tokens that have them, where their first layer is bypassed."""
    owners = [module.get_submodule(path.rpartition(".")[0]) for path in paths if path.endswith("patch_embed")]
    hidden = [owner for owner in owners if hasattr(owner, "_pos_embed")]
    for owner in hidden:
        owner._pos_embed = _unchanged  # type: ignore[assignment]
    return hidden


def _unchanged(tokens: Tensor) -> Tensor:
    return tokens


def _replace(module: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, new)
