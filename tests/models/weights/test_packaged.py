"""The packaged ImageNet weights reach the tensors they belong to."""

import timm
import torch

from drkit.models.backbones import build_backbone
from drkit.models.weights import PACKAGED, load_packaged, packaged_weights


def test_every_layer_gets_the_tensor_of_its_own_kind() -> None:
    path = packaged_weights("tf_efficientnet_lite0")
    assert path is not None
    foreign = torch.load(path, weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    load_packaged(network, path)
    blocks = [block for stage in network.blocks for block in stage]
    for number, block in enumerate(blocks):
        prefix = f"_blocks.{number}."
        assert torch.equal(block.conv_dw.weight, foreign[prefix + "_depthwise_conv.weight"])
        expanding = prefix + "_expand_conv.weight" in foreign
        last = block.conv_pwl if expanding else block.conv_pw
        assert torch.equal(last.weight, foreign[prefix + "_project_conv.weight"])
        norm = prefix + ("_bn1" if expanding else "_bn2")
        assert torch.equal(block.bn2.running_mean, foreign[norm + ".running_mean"])
    assert torch.equal(network.classifier.weight, foreign["_fc.weight"])
    assert torch.equal(network.bn2.running_var, foreign["_bn1.running_var"])


def test_a_pretrained_backbone_starts_from_them() -> None:
    backbone = build_backbone("tf_efficientnet_lite0", 64, pretrained=True)
    foreign = torch.load(packaged_weights("tf_efficientnet_lite0"), weights_only=True)
    assert torch.equal(backbone.network.conv_stem.weight, foreign["_conv_stem.weight"])


def test_a_model_without_a_package_has_no_path() -> None:
    assert packaged_weights("resnet18") is None
    assert "tf_efficientnet_lite0" in PACKAGED
