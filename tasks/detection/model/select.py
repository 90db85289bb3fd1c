"""The best boxes of the box head.  B images, K proposals, F foreground classes, D detections."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from tasks.detection.config import RoiConfig
from tasks.detection.model.box_head import OFFSET_WEIGHTS
from tasks.detection.model.detections import Detections
from tasks.detection.model.region_proposer import Proposals
from tasks.detection.ops.boxes import clip_to_image, decode, is_nonempty


def select_detections(
    proposals: Proposals, logits: Tensor, offsets: Tensor, sizes: Tensor, config: RoiConfig
) -> Detections:
    """Score, decode, clip and suppress per class; the best `config.detections_per_image` of each
    image.

    `logits` (B, K, F + 1) and `offsets` (B, K, F, 4) are those of the proposals (B, K).
    """
    scores = logits.softmax(dim=-1)[..., :-1].masked_fill(
        ~proposals.valid[..., None], 0
    )  # (B, K, F)
    wanted = scores > config.score_threshold
    found = [
        _select(image_wanted, image_scores, image_offsets, image_boxes, size[None], config)
        for image_wanted, image_scores, image_offsets, image_boxes, size in zip(
            wanted, scores, offsets, proposals.boxes, sizes, strict=True
        )
    ]
    return _pad(found, config.detections_per_image)


def _select(
    wanted: Tensor, scores: Tensor, offsets: Tensor, boxes: Tensor, size: Tensor, config: RoiConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (D, 4), scores (D,) and labels (D,) of one image."""
    proposal, label = wanted.nonzero(as_tuple=True)
    score = scores[proposal, label]
    box = clip_to_image(
        decode(offsets[proposal, label], boxes[proposal], OFFSET_WEIGHTS)[None], size
    )[0]
    large = is_nonempty(box, config.min_side)
    box, score, label = box[large], score[large], label[large]
    keep = batched_nms(box, score, label, config.nms_threshold)[: config.detections_per_image]
    return box[keep], score[keep], label[keep]


def _pad(found: list[tuple[Tensor, Tensor, Tensor]], count: int) -> Detections:
    first = found[0][0]
    boxes = first.new_zeros(len(found), count, 4)
    scores = first.new_zeros(len(found), count)
    labels = torch.full((len(found), count), -1, dtype=torch.int64, device=first.device)
    for image, (box, score, label) in enumerate(found):
        boxes[image, : len(box)], scores[image, : len(box)], labels[image, : len(box)] = (
            box,
            score,
            label,
        )
    return Detections(boxes, scores, labels, valid=labels >= 0)
