"""A network is found in a foreign state dict, under the names of timm or torchvision."""

import json
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from drkit.errors import InputError
from drkit.models.backbones import build_backbone
from drkit.models.weights import read_foreign
from drkit.models.weights.state_dict import TORCHVISION, find_networks, head_norm_name, naming_schemes, timm_shapes
from drkit.records.provenance import sha256_file

NAME = "test_resnet"
TENSORS: dict[str, Tensor] = timm.create_model(NAME).state_dict()
FIRST = next(iter(TENSORS))
PREFIXES = ["", "module.", "_orig_mod.", "model.", "module.backbone.", "model._orig_mod.backbone.", "net.encoder."]


def _under(prefix: str, tensors: dict[str, Tensor] = TENSORS) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model", "model_state_dict", "net", "checkpoint.model"])
def test_keys_and_prefixes_are_removed(tmp_path: Path, prefix: str, wrapper: str) -> None:
    content: dict = _under(prefix)
    for name in reversed(wrapper.split(".")) if wrapper else ():
        content = {name: content, "epoch": 3}
    foreign = read_foreign(_save(tmp_path / "a.pth", content), NAME)
    assert foreign.tensors.keys() == TENSORS.keys()
    assert foreign.prefix == (f"{wrapper}: {prefix}" if wrapper else prefix)
    assert (foreign.second, foreign.others) == (None, ())
    assert foreign.sha256 == sha256_file(foreign.path)


@given(st.lists(st.sampled_from(["module", "a", "conv1", "layer1", "0", "x-y"]), max_size=5))
def test_any_prefix_is_found(parts: list[str]) -> None:
    prefix = "".join(f"{part}." for part in parts)
    assert find_networks({**_under(prefix), "fc.0.weight": torch.zeros(1)}, NAME).prefixes == (prefix,)


def test_the_courses_single_template(tmp_path: Path) -> None:
    head = {f"fc.{layer}.{kind}": torch.zeros(1) for layer in (0, 3, 6) for kind in ("weight", "bias")}
    foreign = read_foreign(_save(tmp_path / "a.pth", {**_under("backbone."), **head}), NAME)
    assert foreign.tensors.keys() == TENSORS.keys()
    assert foreign.others == tuple(head)


def test_the_courses_dual_template_gives_both_networks(tmp_path: Path) -> None:
    other = {name: tensor + 1 for name, tensor in TENSORS.items()}
    both = {**_under("backbone2.", other), **_under("backbone1."), "fc.0.weight": torch.zeros(1)}
    foreign = read_foreign(_save(tmp_path / "a.pth", both), NAME)
    assert torch.equal(foreign.tensors[FIRST], TENSORS[FIRST])
    second = foreign.of_second()
    assert torch.equal(second.tensors[FIRST], other[FIRST])
    assert (foreign.prefix, second.prefix, foreign.others) == ("backbone1.", "backbone2.", ("fc.0.weight",))
    assert second.of_second() is second


@pytest.mark.parametrize("average", ["model_ema", "state_dict_ema", "ema"])
def test_an_average_is_preferred_to_the_trained_weights(tmp_path: Path, average: str) -> None:
    path = _save(tmp_path / "a.pth", {"state_dict": TENSORS, average: _under("module.")})
    assert read_foreign(path, NAME).prefix == f"{average}: module."


def test_an_average_and_the_trained_weights_under_the_same_key(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.pth", {"state_dict": {**_under("model."), **_under("model_ema.module.")}})
    assert read_foreign(path, NAME).prefix == "state_dict: model_ema.module."


SELF_SUPERVISED = {
    "DINO": (
        {"student": _under("module.backbone."), "teacher": _under("backbone."), "dino_loss": {"center": torch.ones(3)}},
        "teacher: backbone.",
        ("student: module.backbone.",),
    ),
    "mean teacher": (
        {"state_dict": {**_under("student.model."), **_under("teacher.model.")}},
        "state_dict: teacher.model.",
        ("state_dict: student.model.",),
    ),
    "MoCo": (
        {"state_dict": {**_under("module.encoder_k."), **_under("module.encoder_q.")}},
        "state_dict: module.encoder_q.",
        ("state_dict: module.encoder_k.",),
    ),
    "BYOL": (
        {"model": {**_under("target_network."), **_under("online_network.")}},
        "model: online_network.",
        ("model: target_network.",),
    ),
    "averages": (
        {"state_dict": TENSORS, "state_dict_ema": TENSORS, "swa": TENSORS},
        "state_dict_ema: ",
        ("state_dict: ", "swa: "),
    ),
}


@pytest.mark.parametrize("kind", SELF_SUPERVISED)
def test_one_of_student_and_teacher_is_used_and_the_other_is_reported(tmp_path: Path, kind: str) -> None:
    content, used, unused = SELF_SUPERVISED[kind]
    foreign = read_foreign(_save(tmp_path / "a.pth", content), NAME)
    assert (foreign.prefix, foreign.unused_prefixes, foreign.others) == (used, unused, ())
    assert foreign.tensors.keys() == TENSORS.keys()
    assert foreign.of_second() is foreign  # a teacher is no network of another slot


def test_networks_after_the_second_are_reported(tmp_path: Path) -> None:
    content = {f"backbone{number}.{name}": tensor for number in (1, 2, 3) for name, tensor in TENSORS.items()}
    foreign = read_foreign(_save(tmp_path / "a.pth", content), NAME)
    assert (foreign.prefix, foreign.second_prefix, foreign.unused_prefixes) == (
        "backbone1.",
        "backbone2.",
        ("backbone3.",),
    )


def test_the_largest_group_is_used_if_no_names_are_known(tmp_path: Path) -> None:
    content = {
        "small": {"a": torch.zeros(1)},
        "large": {"module.model.x": torch.zeros(9), "module.model.y": torch.ones(2)},
    }
    foreign = read_foreign(_save(tmp_path / "a.pth", content), NAME)
    assert (foreign.prefix, set(foreign.tensors)) == ("large: module.model.", {"x", "y"})


def test_short_and_tagged_names_mean_the_same_architecture(tmp_path: Path) -> None:
    path = _save(tmp_path / "mobilenet_v2.pth", TENSORS)
    assert read_foreign(path, "mobilenet_v2").backbone == "mobilenetv2_100"
    assert read_foreign(path, "mobilenetv2_100.ra_in1k").backbone == "mobilenetv2_100"


def test_drkits_own_checkpoint_names_its_network(tmp_path: Path, write_own: Callable[..., dict]) -> None:
    own = write_own(tmp_path / "stage1.safetensors", "test_convnext")
    foreign = read_foreign(tmp_path / "stage1.safetensors", "resnet18")
    assert foreign.header is not None
    assert (foreign.backbone, foreign.header.architecture.backbone) == ("test_convnext", "test_convnext")
    assert torch.equal(foreign.tensors["head.norm.weight"], own["pool.norm.weight"])
    assert torch.equal(foreign.tensors["stem.0.weight"], own["backbone.network.stem.0.weight"])
    assert all(name.startswith("head.") for name in foreign.others)
    assert foreign.run is None
    record = {"schema_version": 1, "trained_on_photographs": [], "folds": 0}
    (tmp_path / "stage1.json").write_text(json.dumps(record))
    by_stem = read_foreign(tmp_path / "stage1", "resnet18")
    assert by_stem.run is not None
    assert by_stem.run.name == "stage1"


def test_a_run_of_two_unshared_backbones_gives_both(tmp_path: Path, write_own: Callable[..., dict]) -> None:
    own = write_own(tmp_path / "dual.safetensors", NAME, unshared=True)
    foreign = read_foreign(tmp_path / "dual.safetensors", NAME)
    assert torch.equal(foreign.tensors[FIRST], own[f"backbone.network.{FIRST}"])
    assert torch.equal(foreign.of_second().tensors[FIRST], own[f"others.0.network.{FIRST}"])


def test_a_run_is_recognised_as_drkits(run_stem: Path) -> None:
    foreign = read_foreign(run_stem, "resnet18")
    assert foreign.backbone == "test_efficientnet"
    assert foreign.run is not None
    assert foreign.header is not None
    assert "conv_stem.weight" in foreign.tensors


# From a repository.

MAKERS_SIDE = 64


def _foundation(tmp_path: Path) -> bytes:
    """A file of a masked autoencoder: an encoder with a ViT's names, a decoder, and the command line."""
    encoder = timm.create_model("vit_tiny_patch16_224").state_dict()
    decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_pos_embed": torch.zeros(1, 197, 8)}
    decoder |= {f"decoder_blocks.{n}.attn.qkv.weight": torch.zeros(24, 8) for n in range(8)}
    own = {name: tensor for name, tensor in encoder.items() if not name.startswith("head.")}
    args = Namespace(model="mae_vit_tiny", lr=1e-3, output_dir=Path("out"), rank=0, device="cuda")
    state = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-3}]}
    content = {"model": {**own, **decoder}, "optimizer": state, "epoch": 799, "scaler": {"scale": 1.0}, "args": args}
    return _save(tmp_path / "foundation.pth", content).read_bytes()


def test_a_foundation_model_is_read_from_a_repository_without_timms_configuration(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("field/foundation", {"README.md": b"", "foundation.pth": _foundation(tmp_path)}, "gated")
    with pytest.raises(InputError, match="is gated"):
        read_foreign("hf-hub:field/foundation", "vit_tiny_patch16_224")
    monkeypatch.setenv("HF_TOKEN", "good")
    foreign = read_foreign("hf-hub:field/foundation", "vit_tiny_patch16_224")
    assert (str(foreign), foreign.prefix) == ("hf-hub:field/foundation:foundation.pth", "model: ")
    report = build_backbone("vit_tiny_patch16_224", MAKERS_SIDE, pretrained=False).load_foreign(foreign)
    assert (report.share, report.missing, report.is_converted) == (1.0, (), True)  # positions for another side
    assert sorted(report.unexpected)[:2] == ["decoder_blocks.0.attn.qkv.weight", "decoder_blocks.1.attn.qkv.weight"]


@pytest.mark.parametrize("address", ["hf-hub:some/eyes:b.pth", "hf_hub:some/eyes:b.pth", "hf-hub:some/eyes@main:b.pth"])
def test_a_named_file_of_a_repository_is_used(hub: Any, tmp_path: Path, address: str) -> None:
    other = {name: tensor + 1 for name, tensor in TENSORS.items()}
    content = {"a.pth": TENSORS, "b.pth": other}
    hub.add("some/eyes", {name: _save(tmp_path / name, tensors).read_bytes() for name, tensors in content.items()})
    assert torch.equal(read_foreign(address, NAME).tensors[FIRST], other[FIRST])
    with pytest.raises(InputError, match=r"a\.pth, b\.pth; name one as hf-hub:some/eyes:FILE"):
        read_foreign("hf-hub:some/eyes", NAME)


def test_code_in_a_repository_is_not_executed(hub: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = _save(tmp_path / "model.pth", {"a": torch.ones(1), "b": Bomb(trace)})
    hub.add("some/eyes", {"model.pth": path.read_bytes()})
    with pytest.raises(InputError, match=r"contains a call of (posix|nt)\.mkdir.*nothing was executed"):
        read_foreign("hf-hub:some/eyes", NAME)
    assert not trace.exists()


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_a_folder_is_read_as_a_repository(tmp_path: Path) -> None:
    _save(tmp_path / "pytorch_model.bin", TENSORS)
    (tmp_path / "config.json").write_text("{}")
    foreign = read_foreign(f"local-dir:{tmp_path}", NAME)
    assert str(foreign) == str(tmp_path / "pytorch_model.bin")


NETWORKS = {name: {"mobilenetv2_100": "mobilenet_v2"}.get(name, name) for name in TORCHVISION}


@pytest.mark.parametrize("name", NETWORKS)
def test_timms_network_gives_torchvisions_logits(name: str) -> None:
    """Compare the complete networks, including classifiers, with random weights and random running statistics.

    VGG's fully connected layers are convolutions in timm: the same numbers in another shape.
    """
    with torch.device("meta"):
        torchvisions = getattr(torchvision.models, NETWORKS[name])().eval()
        timms = timm.create_model(name)
    _randomise(torchvisions.to_empty(device="cpu"))
    known, shapes = naming_schemes(name).get("torchvision", naming_schemes(name)["timm"]), timm_shapes(name)
    renamed = {known[n]: tensor.reshape(shapes[known[n]]) for n, tensor in torchvisions.state_dict().items()}
    timms.load_state_dict(renamed, strict=True, assign=True)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected, logits = torchvisions(images), timms.eval()(images)
    assert expected.std() > 1e-3
    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_every_name_of_a_naming_scheme_refers_to_another_tensor() -> None:
    for name in TORCHVISION:
        for known in naming_schemes(name).values():
            assert sorted(known.values()) == sorted(timm_shapes(name))


def test_torchvisions_names_of_densenet_in_2017() -> None:
    known = naming_schemes("densenet121")["torchvision 2017"]
    assert known["features.denseblock1.denselayer2.norm.1.weight"] == "features.denseblock1.denselayer2.norm1.weight"
    assert known["features.norm0.weight"] == "features.norm0.weight"


def test_the_norm_between_pool_and_classifier() -> None:
    assert head_norm_name("test_convnext") == "head.norm"
    assert head_norm_name("resnet18") is None


def _randomise(network: torch.nn.Module) -> None:
    """Fill tensors so that activations have about the same scale in all layers."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            bound = (6 / tensor[0].numel()) ** 0.5
            tensor.uniform_(-bound, bound, generator=generator)
        elif name.endswith(("running_var", "weight")):
            tensor.uniform_(0.8, 1.2, generator=generator)
        elif not name.endswith("num_batches_tracked"):
            tensor.uniform_(-0.1, 0.1, generator=generator)
