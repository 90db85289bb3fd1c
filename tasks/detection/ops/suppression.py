"""Greedy non-maximum suppression.

B images, K boxes sorted by falling score; boxes are (x1, y1, x2, y2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import nms

from tasks.detection.ops.kernels.nms_passes import nms_by_passes


def nms_mask(boxes: Tensor, valid: Tensor, threshold: float, passes: int | None) -> Tensor:
    """Keep the boxes that no kept, better one overlaps by an IoU of more than `threshold`.

    `boxes` (B, K, 4) are sorted by falling score; those not `valid` (B, K) neither stay nor
    suppress. Returns which are kept, (B, K) bool. `passes=None` is exact and reads the boxes on the
    host. A number makes that many fixed-point passes without waiting for the device; they equal the
    exact result unless a chain of overlapping boxes is longer than that.
    """
    if passes is not None:
        return nms_by_passes(boxes, valid, threshold, passes)
    keep = torch.zeros_like(valid)
    order = -torch.arange(boxes.shape[1], dtype=torch.float32, device=boxes.device)
    for image_boxes, image_valid, image_keep in zip(boxes, valid, keep, strict=True):
        candidates = image_valid.nonzero()[:, 0]
        kept = nms(image_boxes[candidates], order[: len(candidates)], threshold)
        image_keep[candidates[kept]] = True
    return keep
