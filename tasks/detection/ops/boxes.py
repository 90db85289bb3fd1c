"""Box arithmetic and suppression.

B images, N and M boxes, K boxes sorted by falling score; boxes are (x1, y1, x2, y2) in continuous
pixels of the resized image, so that a box's width is x2 - x1 and an image W pixels wide spans [0,
W].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torchvision.ops import nms

MAX_LOG_RATIO = math.log(1000 / 16)
"""Largest log size ratio that `decode` applies; the value of detectron2 and torchvision."""


@dataclass(frozen=True)
class Detections:
    """Detected objects of a batch, padded to K an image and sorted by falling score."""

    boxes: Tensor
    """(B, K, 4) float32."""
    scores: Tensor
    """(B, K) float32 in [0, 1]."""
    labels: Tensor
    """(B, K) int64, contiguous classes; -1 where not valid."""
    valid: Tensor
    """(B, K) bool; false marks padding."""


@cache
def constant(
    values: tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensor:
    """A tensor of fixed numbers, sent to the device once and without waiting for it."""
    tensor = torch.tensor(values, dtype=dtype)
    return (
        tensor.pin_memory().to(device, non_blocking=True)
        if device.type == "cuda"
        else tensor.to(device)
    )


def box_area(boxes: Tensor) -> Tensor:
    """Areas (...,) of boxes (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def intersection(first: Tensor, second: Tensor) -> Tensor:
    """Overlapping areas (..., N, M) of boxes (..., N, 4) with boxes (..., M, 4)."""
    low = torch.maximum(first[..., :, None, 0], second[..., None, :, 0])
    width = torch.minimum(first[..., :, None, 2], second[..., None, :, 2]).sub_(low).clamp_(min=0)
    low = torch.maximum(first[..., :, None, 1], second[..., None, :, 1])
    height = torch.minimum(first[..., :, None, 3], second[..., None, :, 3]).sub_(low).clamp_(min=0)
    return width.mul_(height)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union (..., N, M) of boxes (..., N, 4) with boxes (..., M, 4)."""
    shared = intersection(first, second)
    union = (box_area(first)[..., :, None] + box_area(second)[..., None, :]).sub_(shared)
    return shared.div_(union)


def box_iof(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over the first boxes' own area (..., N, M): how much of each lies inside the
    second ones.
    """
    return intersection(first, second).div_(box_area(first)[..., :, None])


def _centres(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    width = boxes[..., 2] - boxes[..., 0]
    height = boxes[..., 3] - boxes[..., 1]
    return boxes[..., 0] + 0.5 * width, boxes[..., 1] + 0.5 * height, width, height


def encode(boxes: Tensor, anchors: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Offsets (..., 4) that move each anchor onto its box, times `weights`.

    Centre shift over anchor size, then log of the size ratio (Ren et al. 2015, eq. 2).
    """
    x, y, width, height = _centres(boxes)
    anchor_x, anchor_y, anchor_width, anchor_height = _centres(anchors)
    shift_x = weights[0] * (x - anchor_x) / anchor_width
    shift_y = weights[1] * (y - anchor_y) / anchor_height
    ratio_x = weights[2] * torch.log(width / anchor_width)
    ratio_y = weights[3] * torch.log(height / anchor_height)
    return torch.stack((shift_x, shift_y, ratio_x, ratio_y), dim=-1)


def decode(offsets: Tensor, anchors: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Boxes (..., 4) in fp32 that `offsets` make of `anchors`; inverse of `encode` up to
    MAX_LOG_RATIO.
    """
    scaled = offsets.float() / constant(weights, offsets.device)
    shift_x, shift_y, ratio_x, ratio_y = scaled.unbind(-1)
    x, y, width, height = _centres(anchors.float())
    x, y = shift_x * width + x, shift_y * height + y
    half_width = 0.5 * width * ratio_x.clamp(max=MAX_LOG_RATIO).exp()
    half_height = 0.5 * height * ratio_y.clamp(max=MAX_LOG_RATIO).exp()
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), dim=-1)


def clip(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Boxes (B, ..., 4) limited to their images; sizes (B, 2) are heights and widths."""
    limits = sizes.flip(-1).repeat(1, 2).to(boxes.dtype)  # (B, 4): width, height, width, height
    limits = limits.view(-1, *(1,) * (boxes.dim() - 2), 4)
    return torch.minimum(boxes.clamp(min=0), limits)


def have_extent(boxes: Tensor, least: float) -> Tensor:
    """Which boxes (..., 4) have both sides above 0 and not below `least` pixels, (...,) bool."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return ((sides > 0) & (sides >= least)).all(dim=-1)


def suppress(boxes: Tensor, valid: Tensor, threshold: float, passes: int | None) -> Tensor:
    """Keep mask (B, K) of greedy suppression: a box goes if a kept, better one overlaps it by more
    than `threshold`.

    `boxes` (B, K, 4) are sorted by falling score; those not `valid` (B, K) neither stay nor
    suppress. `passes=None` is exact and reads the boxes on the host. A number makes that many
    fixed-point passes without leaving the device; they equal the exact result unless a chain of
    overlapping boxes is longer than that.
    """
    if passes is None:
        return _suppress_exactly(boxes, valid, threshold)
    keep = valid
    earlier = torch.ones(
        boxes.shape[1], boxes.shape[1], dtype=torch.bool, device=boxes.device
    ).triu(diagonal=1)
    overlaps = (box_iou(boxes, boxes) > threshold) & earlier  # (B, K, K): row suppresses column
    overlaps = overlaps.to(torch.bfloat16)  # sums of non-negative terms: their sign is exact
    for _ in range(passes):
        suppressed = torch.bmm(keep[:, None].to(torch.bfloat16), overlaps)[:, 0] > 0
        keep = valid & ~suppressed
    return keep


def _suppress_exactly(boxes: Tensor, valid: Tensor, threshold: float) -> Tensor:
    keep = torch.zeros_like(valid)
    order = -torch.arange(boxes.shape[1], dtype=torch.float32, device=boxes.device)
    for image_boxes, image_valid, image_keep in zip(boxes, valid, keep, strict=True):
        candidates = image_valid.nonzero()[:, 0]
        kept = nms(image_boxes[candidates], order[: len(candidates)], threshold)
        image_keep[candidates[kept]] = True
    return keep


def to_original(detections: Detections, scales: Tensor, original_sizes: Tensor) -> Detections:
    """Detections in pixels of the original images, clipped to them.

    `scales` (B, 2) are resized over original height and width, `original_sizes` (B, 2) heights and
    widths.
    """
    factors = scales.flip(-1).repeat(1, 2)[:, None]  # (B, 1, 4)
    return replace(detections, boxes=clip(detections.boxes / factors, original_sizes))
