"""The best boxes of the region proposal network.

B images, A anchors of a level, K proposals; boxes are (x1, y1, x2, y2) in pixels of the resized
image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.detection.config import RpnConfig
from tasks.detection.ops.boxes import OffsetWeights, clip_to_image, decode, is_nonempty
from tasks.detection.ops.suppression import nms_mask


@dataclass(frozen=True)
class Proposals:
    """Candidate boxes of a batch, padded to K an image and sorted by falling objectness."""

    boxes: Tensor
    """(B, K, 4) float32."""
    valid: Tensor
    """(B, K) bool; false marks padding."""


@torch.no_grad()
def select_proposals(
    logits: Sequence[Tensor],
    offsets: Sequence[Tensor],
    anchors: Sequence[Tensor],
    sizes: Tensor,
    config: RpnConfig,
    offset_weights: OffsetWeights,
    *,
    training: bool,
) -> Proposals:
    """Decode, clip and suppress each level's best boxes, then take the best of all levels.

    Per level: logits (B, A), offsets (B, A, 4), anchors (A, 4). `sizes` (B, 2) limits boxes to the
    images. `training` chooses between the two sets of counts, and lets a GPU use
    `config.nms_passes`, as training needs no exact result. Without gradients.
    """
    pre_nms = config.train_pre_nms if training else config.test_pre_nms
    post_nms = config.train_post_nms if training else config.test_post_nms
    gpu_passes = config.nms_passes if training else None
    boxes: list[Tensor] = []
    scores: list[Tensor] = []
    for level_logits, level_offsets, level_anchors in zip(logits, offsets, anchors, strict=True):
        count = min(pre_nms, level_logits.shape[1])
        best, index = level_logits.float().topk(count, dim=1)  # (B, count)
        chosen = level_offsets.gather(1, index[..., None].expand(-1, -1, 4))
        decoded = decode(chosen, level_anchors[index], offset_weights)
        level_boxes = clip_to_image(decoded, sizes)
        valid = is_nonempty(level_boxes, config.min_side)
        keep = nms_mask(level_boxes, valid, config.nms_threshold, gpu_passes)
        boxes.append(level_boxes)
        scores.append(best.masked_fill(~keep, -torch.inf))
    all_scores = torch.cat(scores, dim=1)
    best, index = all_scores.topk(min(post_nms, all_scores.shape[1]), dim=1)
    valid = best > -torch.inf
    kept_boxes = torch.cat(boxes, dim=1).gather(1, index[..., None].expand(-1, -1, 4))
    # padding may contain NaN boxes
    return Proposals(torch.where(valid[..., None], kept_boxes, 0), valid)
