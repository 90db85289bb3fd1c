"""Suppress boxes by fixed-point passes on the device. B images, K boxes sorted by falling score."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.detection.ops.boxes import box_iou


def nms_by_passes(boxes: Tensor, valid: Tensor, threshold: float, passes: int) -> Tensor:
    """Suppress boxes (B, K, 4) by those that the pass before kept, (B, K) bool.

    Each pass decides one more link of every chain of overlapping boxes. So the result is the greedy
    one if no chain is longer than `passes`.
    """
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
