"""Greedy non-maximum suppression.

B images, K boxes sorted by falling score; boxes are (x1, y1, x2, y2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import nms

from tasks.detection.ops import routes
from tasks.detection.ops.kernels.nms_passes import nms_by_passes


def nms_mask(
    boxes: Tensor, valid: Tensor, threshold: float, gpu_passes: int | None = None
) -> Tensor:
    """Keep each box unless a better kept box overlaps it by an IoU of more than `threshold`.

    `boxes` (B, K, 4) are sorted by falling score; those not `valid` (B, K) neither stay nor
    suppress. Returns which are kept, (B, K) bool. The exact route is torchvision's, which reads
    boxes on the host. `gpu_passes` lets a GPU use this many fixed-point passes instead, which do
    not wait for the device. They equal the exact result unless a chain of overlapping boxes is
    longer.
    """
    if gpu_passes is not None and routes.takes_gpu_route(boxes):
        return nms_by_passes(boxes, valid, threshold, gpu_passes)
    keep = torch.zeros_like(valid)
    order = -torch.arange(boxes.shape[1], dtype=torch.float32, device=boxes.device)
    for image_boxes, image_valid, image_keep in zip(boxes, valid, keep, strict=True):
        candidates = image_valid.nonzero()[:, 0]
        kept = nms(image_boxes[candidates], order[: len(candidates)], threshold)
        image_keep[candidates[kept]] = True
    return keep
