"""Operations that torch lacks on Apple GPUs are computed on the CPU; tested with tensors that claim to be on one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from drkit.explaining.cam import first_component
from drkit.losses import regression
from drkit.machine import on_cpu_if_mps

MISSING = (torch.linalg.eigh, torch.special.log_ndtr)


class OnMps(Tensor):
    """A tensor that claims to be on an Apple GPU, and refuses the operations that torch lacks there."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("mps")

    def cpu(self) -> Tensor:  # type: ignore[override]
        return super().as_subclass(Tensor)

    @classmethod
    def __torch_function__(cls, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in MISSING:
            raise NotImplementedError(f"{function.__name__} is not currently implemented for the MPS device")
        return super().__torch_function__(function, types, args, kwargs or {})


@pytest.fixture(autouse=True)
def sending(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Tensor.to

    def to(self: Tensor, *given: Any, **options: Any) -> Tensor:
        if given == (torch.device("mps"),):
            return self.as_subclass(OnMps)
        return send(self, *given, **options)

    monkeypatch.setattr(Tensor, "to", to)


def test_the_fake_apple_gpu_refuses_unsupported_operations() -> None:
    values = torch.eye(3).as_subclass(OnMps)
    with pytest.raises(NotImplementedError):
        torch.special.log_ndtr(values)
    with pytest.raises(NotImplementedError):
        torch.linalg.eigh(values)


def test_eigencams_component_is_the_same() -> None:
    tokens = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    found = on_cpu_if_mps(first_component, tokens.as_subclass(OnMps))
    assert found.device.type == "mps"
    assert torch.equal(found.cpu(), first_component(tokens))


def test_the_normals_logarithm_and_its_gradient_are_the_same() -> None:
    results = []
    for kind in (Tensor, OnMps):
        leaf = torch.linspace(-9, 5, 7).requires_grad_()
        found = regression._log_ndtr(leaf.as_subclass(kind))
        found.cpu().sum().backward()
        results += [found.cpu().detach(), leaf.grad]
    assert torch.equal(results[0], results[2])
    assert torch.equal(results[1], results[3])
