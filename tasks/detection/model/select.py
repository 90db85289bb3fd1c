"""Select the best boxes of the box head. B images, K proposals, F foreground classes, D
detections.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from tasks.detection.config import RoiConfig
from tasks.detection.model.detections import Detections
from tasks.detection.model.proposals import Proposals
from tasks.detection.ops.boxes import OffsetWeights, clip_to_image, decode, is_nonempty


def select_detections(
    proposals: Proposals,
    logits: Tensor,
    offsets: Tensor,
    sizes: Tensor,
    config: RoiConfig,
    offset_weights: OffsetWeights,
) -> Detections:
    """Score, decode, clip and suppress per class; the best `config.detections_per_image` of each
    image.

    `logits` (B, K, F + 1) and `offsets` (B, K, F, 4) are those of the proposals (B, K), `sizes` (B,
    2) the images' valid heights and widths.
    """
    scores = logits.softmax(dim=-1)[..., :-1].masked_fill(
        ~proposals.valid[..., None], 0
    )  # (B, K, F)
    candidates = scores > config.score_threshold
    detections = [
        _select(
            image_candidates,
            image_scores,
            image_offsets,
            image_boxes,
            size[None],
            config,
            offset_weights,
        )
        for image_candidates, image_scores, image_offsets, image_boxes, size in zip(
            candidates, scores, offsets, proposals.boxes, sizes, strict=True
        )
    ]
    return _pad(detections, config.detections_per_image)


def _select(
    candidates: Tensor,
    scores: Tensor,
    offsets: Tensor,
    boxes: Tensor,
    size: Tensor,
    config: RoiConfig,
    offset_weights: OffsetWeights,
) -> tuple[Tensor, Tensor, Tensor]:
    """Select boxes (D, 4), scores (D,) and labels (D,) of one image."""
    proposal, label = candidates.nonzero(as_tuple=True)
    score = scores[proposal, label]
    decoded = decode(offsets[proposal, label], boxes[proposal], offset_weights)
    box = clip_to_image(decoded[None], size)[0]
    large = is_nonempty(box, config.min_side)
    box = box[large]
    score = score[large]
    label = label[large]
    keep = batched_nms(box, score, label, config.nms_threshold)[: config.detections_per_image]
    return box[keep], score[keep], label[keep]


def _pad(detections: list[tuple[Tensor, Tensor, Tensor]], count: int) -> Detections:
    """Stack the images' detections, `count` of each."""
    like = detections[0][0]
    boxes = like.new_zeros(len(detections), count, 4)
    scores = like.new_zeros(len(detections), count)
    labels = torch.full((len(detections), count), -1, dtype=torch.int64, device=like.device)
    for image, (box, score, label) in enumerate(detections):
        boxes[image, : len(box)] = box
        scores[image, : len(box)] = score
        labels[image, : len(box)] = label
    return Detections(boxes, scores, labels, valid=labels >= 0)
