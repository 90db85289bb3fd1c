"""Batches for training and scoring a classifier. B images, H x W pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.engine.batches import TensorBatch


@dataclass(frozen=True)
class ClassificationBatch(TensorBatch):
    """Images of one size, with operations to be done on the device."""

    images: Tensor
    """(B, 3, H, W) uint8."""
    labels: Tensor
    """(B,) int64."""
    image_ids: Tensor
    """(B,) int64, places in the data set + 1."""
    missing: Tensor
    """(B,) int64: the id of the unreadable image that a neighbour replaces here, otherwise 0."""
    tint: Tensor
    """(B, 3) float32, added to the pixels, white being 1."""
    erased: Tensor
    """(B, 4) int64: a rectangle (x1, y1, x2, y2) that becomes the mean colour; zeros for none."""
    blend: Tensor
    """(B,) float32: an image's own share; the rest is its partner's, the image before it."""
    pasted: Tensor
    """(B, 4) int64: a rectangle that is its partner's; zeros for none."""


def plain_batch(
    images: Tensor, labels: Tensor, image_ids: Tensor, missing: Tensor | None = None
) -> ClassificationBatch:
    """A batch with nothing left to be done."""
    count = len(labels)
    nothing = torch.zeros((count, 4), dtype=torch.int64)
    return ClassificationBatch(
        images=images,
        labels=labels,
        image_ids=image_ids,
        missing=torch.zeros(count, dtype=torch.int64) if missing is None else missing,
        tint=torch.zeros((count, 3)),
        erased=nothing,
        blend=torch.ones(count),
        pasted=nothing,
    )
