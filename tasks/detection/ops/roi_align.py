"""RoIAlign over a pyramid (He et al. 2017; Lin et al. 2017, eq. 1).

B images, K boxes an image, C channels; boxes are (x1, y1, x2, y2) in pixels of the resized image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.features import FeatureLevel
from tasks.detection.ops import routes
from tasks.detection.ops.boxes import box_area
from tasks.detection.ops.kernels.roi_gather import RoiGrid, gather_rois
from tasks.detection.ops.kernels.roi_packed import pool_packed
from tasks.engine.constants import device_constant

LevelRule = Literal["detectron2", "torchvision"]


@dataclass(frozen=True, kw_only=True)
class RoiAlign:
    """RoI features (B · K, C, r, r) of boxes (B, K, 4), each from the level of its size.

    The routes: weighted sums of gathered cells, or on a GPU torchvision's kernel on all levels
    packed into one map. A GPU gathers too under the legacy rule, which reads zeros beyond a map's
    edge, and if torch must be deterministic, as the kernel adds up gradients in arbitrary order.
    """

    levels: tuple[FeatureLevel, ...]
    """Source levels, fine to coarse; each stride is twice the one before."""
    resolution: int
    """r."""
    sampling_ratio: int
    """Sample points of a cell along each axis; 0 adapts to the box size."""
    aligned: bool
    """Half-pixel-correct; false is the legacy rule."""
    level_rule: LevelRule
    """As in `assign_levels`."""

    def __post_init__(self) -> None:
        strides = self.strides
        if not strides or any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
            raise UserError(
                f"RoIAlign needs levels whose strides double, got strides {list(strides)}"
            )

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per cell of each level."""
        return tuple(level.stride for level in self.levels)

    def gathers(self, tensor: Tensor) -> bool:
        """Whether features on this tensor's device are gathered, and so are channels_last."""
        if not self.aligned or not routes.takes_gpu_route(tensor):
            return True
        return torch.are_deterministic_algorithms_enabled()

    def __call__(self, features: Mapping[str, Tensor], boxes: Tensor) -> Tensor:
        """Pool boxes (B, K, 4) from feature maps (B, C, h, w), by the levels' names."""
        pyramid = [features[level.name] for level in self.levels]
        level = assign_levels(boxes, self.strides, self.level_rule)  # (B, K)
        scales = device_constant(tuple(1 / stride for stride in self.strides), boxes.device)
        scaled = boxes * scales[level][..., None]
        if self.gathers(boxes):
            grid = RoiGrid(self.resolution, self.sampling_ratio, self.aligned)
            return gather_rois(pyramid, scaled, level, grid)
        return pool_packed(pyramid, scaled, level, self.resolution, self.sampling_ratio)


def assign_levels(boxes: Tensor, strides: Sequence[int], rule: LevelRule) -> Tensor:
    """Assign each box to a level by its size, (...,) int64 in the order of `strides`: the level of
    stride 16 for 224 pixels, that of stride 8 for half (Lin et al. 2017, eq. 1).

    The rules differ in the small number that keeps exact powers of two on their level: detectron2
    adds 1e-8 inside the logarithm, torchvision 1e-6 outside.
    """
    finest = round(math.log2(strides[0]))  # 2 for p2
    side = box_area(boxes).sqrt()
    if rule == "detectron2":
        level = torch.floor(4 + torch.log2(side / 224 + 1e-8))
    else:
        level = torch.floor(4 + torch.log2(side / 224) + 1e-6)
    return level.clamp(finest, finest + len(strides) - 1).nan_to_num(finest).long() - finest
