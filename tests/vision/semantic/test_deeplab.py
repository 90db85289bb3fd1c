"""DeepLab's heads; torchvision's DeepLabV3 is compared in test_weights.py."""

from __future__ import annotations

import torch
from torch import nn

from resnet_backbones.features import FeatureLevel
from tasks.vision.semantic.deeplab import AtrousPyramid, DeepLabV3PlusHead
from tasks.vision.settings_semantic import SemanticHeadConfig

SMALL = SemanticHeadConfig(
    kind="deeplabv3plus", norm="batch", atrous_rates=(2, 4), aspp_channels=8, low_level_channels=4
)


def test_a_branch_sees_as_far_as_its_rate_and_the_mean_sees_all() -> None:
    pyramid = AtrousPyramid(3, SMALL).eval()
    maps = torch.zeros(1, 3, 15, 15, requires_grad=True)
    reaches = []
    for branch in pyramid.branches:
        for norm in branch.modules():
            if isinstance(norm, nn.BatchNorm2d):
                nn.init.ones_(norm.bias)  # so that the ReLU lets gradients through
        (gradient,) = torch.autograd.grad(branch(maps)[0, :, 7, 7].sum(), maps)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
        reaches.append(rows)
    assert reaches == [[7], [5, 7, 9], [3, 7, 11]]
    nn.init.ones_(pyramid.pooled[1].bias)
    (gradient,) = torch.autograd.grad(pyramid.pooled(maps.mean((2, 3), True)).sum(), maps)
    assert gradient.ne(0).all()


def test_v3_plus_has_the_fine_levels_size_and_depends_on_both_levels() -> None:
    fine, coarse = FeatureLevel("c2", 6, 4), FeatureLevel("c5", 10, 16)
    head = DeepLabV3PlusHead(fine, coarse, 3, SMALL)
    features = {
        "c2": torch.randn(2, 6, 13, 9, requires_grad=True),
        "c5": torch.randn(2, 10, 4, 3, requires_grad=True),
    }
    logits = head(features)
    assert logits.shape == (2, 3, 13, 9)
    logits.square().sum().backward()
    assert all(maps.grad is not None and maps.grad.abs().max() > 0 for maps in features.values())
    assert head.refine[0][0].weight.shape == (8, 8 + 4, 3, 3)
