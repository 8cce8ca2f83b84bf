"""The stages of a network, after which its lower part can be separated, frozen and run once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

Stage = tuple[str, ...]  # paths of its modules


def find_stages(network: nn.Module, run: Callable[[], object]) -> tuple[Stage, ...]:
    """Divide the modules of a timm network, in the order of execution, into the stages that timm names.

    Args:
        network: A network with timm's `feature_info`; without it, the network is a single stage.
        run: Function that runs the network on an image.

    Returns:
        Stages from the image upwards; the first contains the stem, and the last contains all modules after it.
    """
    order = _in_order(network, _chain_modules(network), run)
    names = [str(info["module"]) for info in getattr(network, "feature_info", None) or []]
    ends = sorted({_last_of(order, name) for name in names[:-1]} - {-1, len(order) - 1})
    cuts = [0, *(end + 1 for end in ends), len(order)]
    stages = [tuple(order[begin:end]) for begin, end in pairwise(cuts) if end > begin]
    return _join_untrained(network, stages)


@contextmanager
def bypassed(module: nn.Module, paths: Sequence[str]) -> Iterator[None]:
    """Replace the modules at `paths` by identities within the context."""
    originals = {path: module.get_submodule(path) for path in paths}
    without_positions = _skip_positions(module, paths)
    try:
        for path in originals:
            _replace(module, path, nn.Identity())
        yield
    finally:
        for path, original in originals.items():
            _replace(module, path, original)
        for transformer in without_positions:
            del transformer._pos_embed


def freeze(module: nn.Module, paths: Sequence[str], *, frozen: Sequence[str]) -> None:
    """Train the modules at `paths`, except for those in `frozen`, whose norms also keep their statistics."""
    for path in paths:
        part = module.get_submodule(path)
        part.requires_grad_(path not in frozen)
        if path in frozen:
            part.eval()


def can_be_cut(run_in_parts: Callable[[], Tensor], expected: Tensor) -> bool:
    """Whether running the lower and then the upper part gives the same output as the complete network."""
    try:
        with torch.inference_mode():
            return torch.allclose(run_in_parts(), expected, rtol=1e-3, atol=1e-4)
    except (RuntimeError, TypeError, ValueError, AssertionError, IndexError, AttributeError):
        return False  # a stage needs more than the output of the previous stage, such as positions


def _chain_modules(network: nn.Module) -> list[str]:
    """Paths of the modules that stages consist of: the network's children, or the elements of its sequences."""
    paths = []
    for name, child in network.named_children():
        sequence = isinstance(child, nn.Sequential | nn.ModuleList)
        paths += [f"{name}.{key}" for key, _ in child.named_children()] if sequence else [name]
    return paths


def _in_order(network: nn.Module, paths: Sequence[str], run: Callable[[], object]) -> list[str]:
    """The paths of the modules that a run uses, in the order of execution."""
    used: dict[str, None] = {}
    hooks = [
        network.get_submodule(path).register_forward_pre_hook(lambda *_, path=path: used.setdefault(path))
        for path in paths
    ]
    try:
        with torch.inference_mode():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return list(used)


def _last_of(order: Sequence[str], name: str) -> int:
    """Index of the last path that is equal to, contains or is contained in the module `name`; -1 if there is none."""
    related = [
        number
        for number, path in enumerate(order)
        if path == name or path.startswith(f"{name}.") or name.startswith(f"{path}.")
    ]
    return related[-1] if related else -1


def _join_untrained(network: nn.Module, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Join stages without parameters, such as a last pool, to the previous stage."""
    joined: list[Stage] = []
    for stage in stages:
        trained = any(True for path in stage for _ in network.get_submodule(path).parameters())
        if joined and not trained:
            joined[-1] += stage
        else:
            joined.append(stage)
    return tuple(joined)


def _skip_positions(module: nn.Module, paths: Sequence[str]) -> list[nn.Module]:
    """Stop transformers whose first layer is bypassed from adding positions again, and return these transformers."""
    parents = [module.get_submodule(path.rpartition(".")[0]) for path in paths if path.endswith("patch_embed")]
    transformers = [parent for parent in parents if hasattr(parent, "_pos_embed")]
    for transformer in transformers:
        transformer._pos_embed = lambda tokens: tokens  # type: ignore[assignment]
    return transformers


def _replace(module: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, new)
