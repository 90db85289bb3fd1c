"""Compute batch-norm statistics as exact averages over training images.

The moving average of training is dominated by the last few batches; the published weights of He et
al. 2016 contain the average over many.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.evaluate import Member


def has_batch_norms(model: nn.Module) -> bool:
    """Whether a network has statistics to average."""
    return len(_norms(model)) > 0


def average_norms(
    member: Member, batches: Iterable[ClassificationBatch], images: int, device: torch.device
) -> None:
    """Replace the statistics by their means over `images` images, rounded up to whole
    batches. All other modules stay in evaluation mode.
    """
    norms = _norms(member.model)
    momenta = [norm.momentum for norm in norms]
    member.model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    seen = 0
    with torch.no_grad():
        for batch in batches:
            member.logits(batch.images.to(device))
            seen += len(batch)
            if seen >= images:
                break
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    member.model.eval()


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [
        part
        for part in model.modules()
        if isinstance(part, _BatchNorm) and part.track_running_stats
    ]
