"""Box arithmetic.

B images, N and M boxes; boxes are (x1, y1, x2, y2) in continuous pixels of the resized image, so
that a box's width is x2 - x1 and an image W pixels wide spans [0, W].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tasks.engine.constants import device_constant

OffsetWeights = tuple[float, float, float, float]
"""Factors of the offsets along x and y and of the log ratios of width and height."""

MAX_LOG_RATIO = math.log(1000 / 16)
"""Largest log size ratio that `decode` applies; the value of detectron2 and torchvision."""


def box_area(boxes: Tensor) -> Tensor:
    """Multiply the sides of boxes (..., 4): areas (...,)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def intersection(first: Tensor, second: Tensor) -> Tensor:
    """Measure the areas (..., N, M) in which boxes (..., N, 4) and boxes (..., M, 4) overlap."""
    low = torch.maximum(first[..., :, None, 0], second[..., None, :, 0])
    width = torch.minimum(first[..., :, None, 2], second[..., None, :, 2]).sub_(low).clamp_(min=0)
    low = torch.maximum(first[..., :, None, 1], second[..., None, :, 1])
    height = torch.minimum(first[..., :, None, 3], second[..., None, :, 3]).sub_(low).clamp_(min=0)
    return width.mul_(height)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Divide intersection by union (..., N, M) of boxes (..., N, 4) and boxes (..., M, 4)."""
    shared = intersection(first, second)
    union = (box_area(first)[..., :, None] + box_area(second)[..., None, :]).sub_(shared)
    return shared.div_(union)


def intersection_over_first(first: Tensor, second: Tensor) -> Tensor:
    """Divide intersection by the first boxes' own area (..., N, M): the share of each that lies
    inside each second box.
    """
    return intersection(first, second).div_(box_area(first)[..., :, None])


def _centres(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    width = boxes[..., 2] - boxes[..., 0]
    height = boxes[..., 3] - boxes[..., 1]
    return boxes[..., 0] + 0.5 * width, boxes[..., 1] + 0.5 * height, width, height


def encode(boxes: Tensor, anchors: Tensor, weights: OffsetWeights) -> Tensor:
    """Compute the offsets (..., 4) that move each anchor onto its box, times `weights`.

    Centre shift over anchor size, then log of the size ratio (Ren et al. 2015, eq. 2).
    """
    x, y, width, height = _centres(boxes)
    anchor_x, anchor_y, anchor_width, anchor_height = _centres(anchors)
    shift_x = weights[0] * (x - anchor_x) / anchor_width
    shift_y = weights[1] * (y - anchor_y) / anchor_height
    ratio_x = weights[2] * torch.log(width / anchor_width)
    ratio_y = weights[3] * torch.log(height / anchor_height)
    return torch.stack((shift_x, shift_y, ratio_x, ratio_y), dim=-1)


def decode(offsets: Tensor, anchors: Tensor, weights: OffsetWeights) -> Tensor:
    """Move `anchors` by `offsets` to boxes (..., 4) in fp32; inverse of `encode` up to
    MAX_LOG_RATIO.
    """
    scaled = offsets.float() / device_constant(weights, offsets.device)
    shift_x, shift_y, ratio_x, ratio_y = scaled.unbind(-1)
    x, y, width, height = _centres(anchors.float())
    x = shift_x * width + x
    y = shift_y * height + y
    half_width = 0.5 * width * ratio_x.clamp(max=MAX_LOG_RATIO).exp()
    half_height = 0.5 * height * ratio_y.clamp(max=MAX_LOG_RATIO).exp()
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), dim=-1)


def clip_to_image(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Limit boxes (B, ..., 4) to their images; sizes (B, 2) are heights and widths."""
    limits = sizes.flip(-1).repeat(1, 2).to(boxes.dtype)  # (B, 4): width, height, width, height
    limits = limits.view(-1, *(1,) * (boxes.dim() - 2), 4)
    return torch.minimum(boxes.clamp(min=0), limits)


def is_nonempty(boxes: Tensor, min_side: float) -> Tensor:
    """Find the boxes (..., 4) with both sides above 0 and at least `min_side` pixels, (...,)
    bool.
    """
    sides = boxes[..., 2:] - boxes[..., :2]
    return ((sides > 0) & (sides >= min_side)).all(dim=-1)
