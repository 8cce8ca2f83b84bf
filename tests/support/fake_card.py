"""A fake GPU: computes on the CPU, applies CUDA's rules about mixing devices, and counts copies.

Inside `fake_card()` tensors on `CARD` compute as on the CPU. Where CUDA would refuse to mix devices, so does this; what
CUDA would copy or wait for is counted.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from drkit.data import rendering
from drkit.losses import base as losses

CARD = torch.device("meta")
aten = torch.ops.aten
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
WAITING = {  # for the size of what they give
    aten.nonzero.default,
    aten.masked_select.default,
    aten.bincount.default,
    aten._unique2.default,
    aten.repeat_interleave.Tensor,
}


class MixedDevicesError(RuntimeError):
    """An operation mixed tensors or generators of the GPU and the CPU."""


class FakeGenerator(torch.Generator):
    """A generator on the CPU, which may claim to be on the GPU."""

    def __new__(cls, device: torch.device | str = "cpu") -> "FakeGenerator":
        """Make it on the CPU in either case."""
        return super().__new__(cls)

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.on_card = torch.device(device).type == CARD.type


class OnCard(Tensor):
    """A tensor on the fake GPU, with its values on the CPU."""

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnCard":
        return Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=CARD,
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied: Tensor = OnCard(self.held.detach().clone())
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        memo[id(self)] = copied
        return copied

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{function} on the card outside of fake_card()")


class _Card(TorchDispatchMode):
    """Runs every operation, and counts copies."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        here = [tensor for tensor in tensors if isinstance(tensor, OnCard)]
        requested = kwargs.get("device")
        goes_here = bool(here) if requested is None else torch.device(requested).type == CARD.type
        if not here and not goes_here:
            return function(*args, **kwargs)
        kwargs = {key: torch.device("cpu") if key == "device" else value for key, value in kwargs.items()}
        if function is aten._to_copy.default:
            self._count_copy(bool(here), goes_here)
        elif function is aten.copy_.default and len(here) == 1:
            self._count_copy(not isinstance(args[0], OnCard), isinstance(args[0], OnCard))
            function(*tree_map(_held, args))
            return args[0]
        elif function is aten._local_scalar_dense.default:
            self.counts["downloads"] += 1
            return function(_held(args[0]))
        else:
            self._check(function, args, [tensor for tensor in tensors if not isinstance(tensor, OnCard)])
        result = function(*tree_map(_held, args), **tree_map(_held, kwargs))
        if not goes_here:
            return result
        moved = tree_map(lambda leaf: OnCard(leaf) if isinstance(leaf, Tensor) else leaf, result)
        is_copy = function is aten._to_copy.default
        return moved if is_copy or not here else return_and_correct_aliasing(function, args, kwargs, moved)

    def _count_copy(self, from_here: bool, to_here: bool) -> None:
        if from_here != to_here:
            self.counts["uploads" if to_here else "downloads"] += 1

    def _check(self, function: Any, args: Any, others: list[Tensor]) -> None:
        if function in WAITING:
            self.counts["waits"] += 1
        if function in INDEXING:
            indices = [leaf for leaf in tree_leaves(args[1]) if isinstance(leaf, Tensor)]
            self.counts["waits"] += any(index.dtype == torch.bool for index in indices)
            self.counts["uploads"] += any(not isinstance(index, OnCard) for index in indices)
            others = [other for other in others if not any(other is index for index in indices)]
        if mixed := [tuple(other.shape) for other in others if other.ndim]:
            raise MixedDevicesError(f"{function} met {mixed} on the CPU")


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, OnCard) else leaf


class _Constructors(torch.overrides.TorchFunctionMode):
    """Literals are made on the CPU and copied, since torch drops values on `meta`; generators are of one device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("device") is None or torch.device(kwargs["device"]).type != CARD.type:
            return function(*args, **kwargs)
        if kwargs.get("generator") is not None and not getattr(kwargs["generator"], "on_card", False):
            raise MixedDevicesError(f"{function} on the card with the CPU's generator")
        if function in (torch.tensor, torch.as_tensor):
            return function(*args, **{key: value for key, value in kwargs.items() if key != "device"}).to(CARD)
        return function(*args, **kwargs)


@contextmanager
def fake_card() -> Iterator[Counter[str]]:
    """Compute on the fake GPU; yield the numbers of `uploads`, `downloads` and `waits`, which may be cleared."""
    with _Constructors(), _Card() as card, pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "Generator", FakeGenerator)
        try:
            yield card.counts
        finally:
            rendering._rows.cache_clear()
            losses.on_device.cache_clear()
