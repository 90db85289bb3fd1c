"""Losses of the logits of every pixel. B images, K classes, H x W pixels.

logits are (B, K, H, W) float32, labels (B, H, W) int64, counted (B, H, W) bool: the pixels that are
not ignored. Their labels are in 0..K-1; the labels of the others are 0. No loss waits for the
device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1e-7


def cross_entropies(
    logits: Tensor, labels: Tensor, counted: Tensor, class_weights: Tensor | None
) -> Tensor:
    """Compute the weighted cross-entropy (B, H, W) of each pixel, 0 for ignored ones.

    Logits are channels_last: with a row for each pixel this takes half the time of (B, K, H, W).
    """
    rows = logits.permute(0, 2, 3, 1).flatten(0, 2)  # (B * H * W, K)
    losses = F.cross_entropy(rows, labels.flatten(), weight=class_weights, reduction="none")
    return losses.view(labels.shape).masked_fill(~counted, 0.0)


def hard_pixels(
    logits: Tensor, labels: Tensor, counted: Tensor, below: float, least: int | None
) -> Tensor:
    """Find the hard pixels (B, H, W) bool: those whose true class has a probability below `below`,
    and the `least` hardest of each image.
    """
    with torch.no_grad():
        chosen = logits.gather(1, labels[:, None])[:, 0]
        truth = (chosen - logits.logsumexp(dim=1)).exp().masked_fill(~counted, 2.0)  # above all
        if least is None:
            return truth < below
        count = min(least, truth[0].numel())
        lowest = truth.flatten(1).topk(count, dim=1, largest=False).values  # (B, least)
        last = lowest[:, -1].clamp(max=1.0)  # fewer may be labelled
        return (truth < below) | (truth <= last[:, None, None])


def mean_of_images(losses: Tensor, kept: Tensor, counted: Tensor) -> Tensor:
    """Sum the images' mean losses of their kept pixels, and divide by the number of labelled
    images.
    """
    sums = losses.masked_fill(~kept, 0.0).sum(dim=(1, 2))
    means = sums / kept.sum(dim=(1, 2)).clamp(min=1)
    return means.sum() / counting_images(counted).clamp(min=1)


def dice_loss(logits: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
    """Mean over images of 1 - 2 |P T| / (|P| + |T|), averaged over all K classes; classes that an
    image does not have count as 0 (as in segmentation-models-pytorch's DiceLoss of one image).
    """
    probabilities = logits.softmax(dim=1) * counted[:, None]
    truth = one_hot(labels, counted, logits.shape[1])
    shared = (probabilities * truth).sum(dim=(2, 3))  # (B, K)
    own = truth.sum(dim=(2, 3))
    total = probabilities.sum(dim=(2, 3)) + own
    losses = (1 - 2 * shared / total.clamp(min=_EPSILON)) * (own > 0)
    return losses.mean(dim=1).sum() / counting_images(counted).clamp(min=1)


def lovasz_loss(logits: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
    """Mean over images of the Lovász-softmax loss, averaged over an image's own classes (Berman et
    al. 2018, eq. 12).
    """
    probabilities = logits.softmax(dim=1)
    truth = one_hot(labels, counted, logits.shape[1])
    errors = ((truth - probabilities).abs() * counted[:, None]).flatten(2)  # (B, K, H * W)
    ordered, order = errors.sort(dim=2, descending=True)
    slopes = _jaccard_slopes(truth.flatten(2).gather(2, order))
    of_class = (ordered * slopes).sum(dim=2)  # (B, K)
    present = truth.flatten(2).any(dim=2)
    means = (of_class * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)
    return means.sum() / counting_images(counted).clamp(min=1)


def counting_images(counted: Tensor) -> Tensor:
    """Count the images with a labelled pixel, ()."""
    return counted.flatten(1).any(dim=1).sum()


def one_hot(labels: Tensor, counted: Tensor, classes: int) -> Tensor:
    """Encode the truth as (B, K, H, W) float32, zero at ignored pixels."""
    truth = torch.zeros(
        (labels.shape[0], classes, *labels.shape[1:]), dtype=torch.float32, device=labels.device
    )
    return truth.scatter_(1, labels[:, None], counted[:, None].float())


def _jaccard_slopes(truth: Tensor) -> Tensor:
    """Compute the steps (B, K, N) of the Jaccard loss as pixels, in this order, become wrong one by
    one.
    """
    total = truth.sum(dim=2, keepdim=True)
    missed = truth.cumsum(dim=2)
    jaccard = 1 - (total - missed) / (total + (1 - truth).cumsum(dim=2)).clamp(min=1)
    return torch.cat((jaccard[:, :, :1], jaccard.diff(dim=2)), dim=2)
