"""Stages: cut anywhere, upper(lower(x)) gives the same output, and the network is restored afterwards."""

from functools import cache

import pytest
import timm
import torch
from architectures import make_architecture
from torch import Tensor, nn

from drkit.errors import UsageError
from drkit.models.backbones import Backbone
from drkit.models.freezing import check_cut
from drkit.models.grader import Grader, build_grader
from drkit.models.stages import bypassed

SIDE = 64
STAGES = {
    "test_resnet": 5,
    "test_efficientnet": 5,
    "test_convnext": 4,
    "test_vit": 6,
    "test_nfnet": 5,
    "vgg11": 5,
    "densenet121": 5,
    "swin_tiny_patch4_window7_224": 4,
}
SMALLER = {  # of families without a test model
    "vgg11": {"mlp_ratio": 0.01},
    "densenet121": {"block_config": (2, 2, 2, 2), "growth_rate": 8},
    "swin_tiny_patch4_window7_224": {
        "img_size": SIDE,
        "depths": (1, 1, 2, 1),
        "embed_dim": 24,
        "num_heads": (1, 2, 4, 8),
    },
    "test_vit": {"img_size": SIDE},
}


@cache
def _backbone(name: str) -> Backbone:
    torch.manual_seed(0)
    backbone = Backbone(timm.create_model(name, **SMALLER.get(name, {})).eval(), SIDE).eval()
    with torch.no_grad():  # else a norm passes anything on as it is
        for tensor in backbone.buffers():
            if tensor.is_floating_point():
                tensor.mul_(1.1)
    return backbone


def _images() -> Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", STAGES)
def test_the_lower_and_the_upper_part_together_give_the_same_output(name: str) -> None:
    backbone, images = _backbone(name), _images()
    modules = dict(backbone.named_modules())
    assert len(backbone.stages) == STAGES[name]
    with torch.inference_mode():
        expected = backbone(images)
        for cut in range(1, len(backbone.stages)):
            features = backbone.lower(images, cut)
            with bypassed(backbone, backbone.paths(0, cut)):
                upper = backbone(features)
            assert torch.allclose(upper, expected, rtol=1e-3, atol=1e-4), cut
        assert torch.equal(backbone(images), expected)
    assert dict(backbone.named_modules()) == modules


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_parameters_and_every_module_is_in_a_stage(name: str) -> None:
    backbone = _backbone(name)
    own = dict(backbone.network.named_parameters(recurse=False))  # tokens and positions
    inside = {
        f"{path}.{rest}"
        for stage in backbone.stages
        for path in stage
        for rest, _ in backbone.get_submodule(path).named_parameters()
    }
    rest = {key for key, _ in backbone.named_parameters() if not key.startswith("head_norm.")}
    assert inside | {f"network.{key}" for key in own} == rest
    assert all(
        any(True for path in stage for _ in backbone.get_submodule(path).parameters()) for stage in backbone.stages
    )
    assert len({path for stage in backbone.stages for path in stage}) == sum(map(len, backbone.stages))


def _break_while_cut(backbone: Backbone) -> None:
    with bypassed(backbone, backbone.paths(0, 2)):
        raise RuntimeError("broken")


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_the_network_is_restored_after_an_error(name: str) -> None:
    backbone, images = _backbone(name), _images()
    modules = dict(backbone.named_modules())
    with torch.inference_mode():
        expected = backbone(images)
        with pytest.raises(RuntimeError, match="broken"):
            _break_while_cut(backbone)
        assert torch.equal(backbone(images), expected)
    assert dict(backbone.named_modules()) == modules


def test_the_lower_part_does_not_run_higher_stages() -> None:
    backbone = _backbone("test_efficientnet")
    above = [backbone.get_submodule(path) for path in backbone.paths(2, len(backbone.stages))]
    ran: list[torch.nn.Module] = []
    hooks = [module.register_forward_hook(lambda module, *_: ran.append(module)) for module in above]
    with torch.inference_mode():
        backbone.lower(_images(), 2)
        assert ran == []
        backbone(_images())
        assert ran == above
    for hook in hooks:
        hook.remove()


class _Skipping(nn.Module):
    """Stages of which the last also uses the output of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.num_features = 3
        self.feature_info = [{"module": name} for name in ("one", "two", "three")]

    def forward_features(self, images: Tensor) -> Tensor:
        first = self.one(images)
        return self.three(self.two(first) + 2 * first)


def _grader(name: str, loss: str = "cross-entropy") -> Grader:
    return build_grader(make_architecture(name, side=SIDE, loss=loss))


def test_stages_that_depend_on_more_than_the_previous_stage_are_refused() -> None:
    grader = _grader("test_efficientnet")
    grader.backbone = Backbone(_Skipping(), SIDE)
    with pytest.raises(
        UsageError, match="--freeze 2: the stages of this backbone cannot be run separately: use none or backbone"
    ):
        check_cut(grader, 2, SIDE)


@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "xcit_nano_12_p8_224"])
def test_a_network_that_passes_positions_on_is_refused_only_if_it_is_cut(name: str) -> None:
    side = 56
    grader = build_grader(make_architecture(name, side=side))
    check_cut(grader, 0, side)  # --freeze none
    check_cut(grader, None, side)  # --freeze backbone
    with pytest.raises(UsageError, match="cannot be run separately"):
        check_cut(grader, 2, side)


def test_too_many_stages_are_refused() -> None:
    grader = _grader("test_efficientnet")
    with pytest.raises(UsageError, match="--freeze 5: the backbone has 5 stages: use --freeze backbone"):
        check_cut(grader, 5, SIDE)
