"""Masked sums for losses. B images, S samples an image."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

BoxLoss = Literal["l1", "smooth_l1"]
Losses = dict[str, Tensor]
"""fp32 scalars by name; their sum is minimised."""


def loss_normalizer(
    valid: Tensor, samples: int, normalizer: Literal["fixed", "sampled"]
) -> Tensor | int:
    """Compute the divisor of the losses of samples in slots `valid` (B, S).

    `fixed` is `samples` an image, which is the same on every rank; `sampled` is the number of
    filled slots, at least 1.
    """
    if normalizer == "fixed":
        return samples * len(valid)
    return valid.sum().clamp(min=1)


def positive_box_loss(
    predictions: Tensor, targets: Tensor, positive: Tensor, name: BoxLoss, beta: float
) -> Tensor:
    """Sum the box loss of offsets (B, S, 4) over the samples that are `positive` (B, S).

    The others' targets may be infinite, so they are replaced before the difference.
    """
    targets = torch.where(positive[..., None], targets, 0)
    predictions = torch.where(positive[..., None], predictions.float(), 0)
    return box_loss(predictions, targets, name, beta)


def box_loss(predictions: Tensor, targets: Tensor, name: BoxLoss, beta: float) -> Tensor:
    """Sum the L1 or smooth L1 difference of offsets (..., 4)."""
    if name == "l1":
        return F.l1_loss(predictions, targets, reduction="sum")
    return F.smooth_l1_loss(predictions, targets, beta=beta, reduction="sum")
