"""Building blocks of all heads. B images, C channels in, D out, K classes; maps have h x w
cells.
"""

from __future__ import annotations

from math import gcd

import torch.nn.functional as F
from torch import Tensor, nn

from resnet_backbones.layers import GROUPS
from tasks.vision.settings_semantic import HeadNorm


def conv_block(
    inputs: int, outputs: int, norm: HeadNorm, *, kernel: int = 3, dilation: int = 1
) -> nn.Sequential:
    """(B, C, h, w) -> (B, D, h, w): convolution, norm if any, and ReLU in place."""
    conv = nn.Conv2d(
        inputs,
        outputs,
        kernel,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        bias=norm == "none",
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    norms = () if norm == "none" else (head_norm(norm, outputs),)
    return nn.Sequential(conv, *norms, nn.ReLU(inplace=True))


def head_norm(norm: HeadNorm, channels: int) -> nn.Module:
    """Make the normalisation of (B, channels, h, w)."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "sync":
        return nn.SyncBatchNorm(channels)
    assert norm == "group"
    # at least two channels a group, as torch refuses to normalise a single value of a 1x1 map
    return nn.GroupNorm(gcd(GROUPS, channels // 2, channels), channels)


def class_predictor(channels: int, num_classes: int) -> nn.Conv2d:
    """(B, channels, h, w) -> (B, K, h, w): a 1x1 convolution with torch's own initialisation, as in
    torchvision and smp. In a narrow head AdamW needs hundreds of steps to make smaller weights
    grow.
    """
    return nn.Conv2d(channels, num_classes, 1)


def resize_to(maps: Tensor, like: Tensor, *, corners: bool = False) -> Tensor:
    """Resize maps (B, C, h, w) to another map's height and width, bilinear; `corners` aligns the
    corners' cells.
    """
    size = like.shape[-2:]
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=corners)
