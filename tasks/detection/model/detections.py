"""The output of a detector. B images, K detections of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from tasks.detection.ops.boxes import clip_to_image


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


def to_original(detections: Detections, scales: Tensor, original_sizes: Tensor) -> Detections:
    """Bring detections into pixels of the original images, and clip them there.

    `scales` (B, 2) are resized over original height and width, `original_sizes` (B, 2) heights and
    widths.
    """
    factors = scales.flip(-1).repeat(1, 2)[:, None]  # (B, 1, 4)
    return replace(detections, boxes=clip_to_image(detections.boxes / factors, original_sizes))
