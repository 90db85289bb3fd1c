"""A batch of images with the labels of their pixels.

B images of a batch, C channels, H and W the padded height and width, K classes; sizes are (height,
width).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.engine.batches import TensorBatch
from tasks.images import Labels
from tasks.labels import IGNORED
from tasks.vision.padding import Size, largest_size, stack_images
from tasks.vision.semantic.prepare import Prepared

OF_IMAGES = ("hard", "dice", "lovasz")
"""Losses that are means over images."""


@dataclass(frozen=True)
class SegmentationBatch(TensorBatch):
    """Stacked images with the labels of their pixels; row i of every tensor is image i."""

    images: Tensor  # (B, C, H, W) uint8, channels_last; zero outside `sizes`
    sizes: Tensor  # (B, 2) int64: valid height and width inside the padding
    labels: Tensor  # (B, H, W) uint8: 0..K-1, or IGNORED, as outside `sizes`
    counted: Tensor  # (B,) bool: whether the image has a labelled pixel
    weights: Tensor  # (B,) float64: summed class weights of the labelled pixels
    image_ids: Tensor  # (B,) int64: the data set's internal ids, from 1

    @property
    def weight(self) -> float:
        """Summed class weights of all labelled pixels."""
        return float(self.weights.sum())

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Number of images with a labelled pixel."""
        return dict.fromkeys(OF_IMAGES, float(self.counted.sum()))


@dataclass(frozen=True)
class ScoredBatch(SegmentationBatch):
    """Images to be scored, with their labels at their original size too."""

    truth: Tensor  # (B, H0, W0) uint8 at the original sizes, padded with IGNORED
    original_sizes: Tensor  # (B, 2) int64
    scaled: tuple[Tensor, ...]  # the images at further scales, as `images`
    scaled_sizes: tuple[Tensor, ...]  # (B, 2) each

    @property
    def views(self) -> list[tuple[Tensor, Tensor]]:
        """Images and their valid sizes at each scale."""
        further = zip(self.scaled, self.scaled_sizes, strict=True)
        return [(self.images, self.sizes), *further]

    @property
    def originals(self) -> list[Size]:
        """(B,) original sizes."""
        return [(height, width) for height, width in self.original_sizes.tolist()]


def stack(
    prepared: Sequence[Prepared],
    padded_size: Size,
    image_ids: Sequence[int],
    class_weights: Sequence[float] | None,
) -> SegmentationBatch:
    """Stack images and labels, padded to `padded_size`."""
    labels = [item.labels for item in prepared]
    weights = [_weight(item, class_weights) for item in labels]
    return SegmentationBatch(
        images=stack_images([item.image for item in prepared], padded_size),
        sizes=_sizes(prepared),
        labels=stack_labels(labels, padded_size),
        counted=torch.tensor([bool((item != IGNORED).any()) for item in labels]),
        weights=torch.tensor(weights, dtype=torch.float64),
        image_ids=torch.tensor(image_ids),
    )


def stack_scored(
    batch: SegmentationBatch,
    truth: Sequence[Labels],
    scaled: Sequence[tuple[Sequence[Prepared], Size]],
) -> ScoredBatch:
    """Add the original labels, and the images at further scales with their padded sizes."""
    originals = [(item.shape[0], item.shape[1]) for item in truth]
    images = [stack_images([item.image for item in group], size) for group, size in scaled]
    return ScoredBatch(
        images=batch.images,
        sizes=batch.sizes,
        labels=batch.labels,
        counted=batch.counted,
        weights=batch.weights,
        image_ids=batch.image_ids,
        truth=stack_labels(truth, largest_size(originals)),
        original_sizes=torch.tensor(originals),
        scaled=tuple(images),
        scaled_sizes=tuple(_sizes(group) for group, _ in scaled),
    )


def stack_labels(labels: Sequence[Labels], padded_size: Size) -> Tensor:
    """Stack labels as (B, H, W), with IGNORED outside each image."""
    stacked = torch.full((len(labels), *padded_size), IGNORED, dtype=torch.uint8)
    for row, own in enumerate(labels):
        stacked[row, : own.shape[0], : own.shape[1]] = torch.from_numpy(np.ascontiguousarray(own))
    return stacked


def _sizes(prepared: Sequence[Prepared]) -> Tensor:
    return torch.tensor([item.image.shape[1:] for item in prepared])


def _weight(labels: Labels, class_weights: Sequence[float] | None) -> float:
    """Sum the class weights of the labelled pixels."""
    counts = np.bincount(labels.ravel(), minlength=IGNORED + 1)[:IGNORED]
    if class_weights is None:
        return float(counts.sum())
    return float(counts[: len(class_weights)] @ np.array(class_weights))
