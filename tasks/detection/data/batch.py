"""A batch of images with their objects.

B images of a batch, C channels, H and W the padded height and width, G padded objects; boxes are
(x1, y1, x2, y2) in pixels of the resized image; sizes and scales are (height, width).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.engine.batches import TensorBatch
from tasks.vision.copy_paste import Prepared
from tasks.vision.padding import Size, stack_images


@dataclass(frozen=True)
class DetectionBatch(TensorBatch):
    """Stacked images with their objects; row i of every tensor is image i."""

    images: Tensor  # (B, C, H, W) uint8, channels_last; zero outside `sizes`
    sizes: Tensor  # (B, 2) int64: valid height and width inside the padding
    scales: Tensor  # (B, 2) float32: resized over original side; unused if training crops
    original_sizes: Tensor  # (B, 2) int64: height and width of the decoded image
    boxes: Tensor  # (B, G, 4) float32, crowd boxes included; zero for padding
    labels: Tensor  # (B, G) int64 in 0..K-1; -1 for padding
    crowd: Tensor  # (B, G) bool
    image_ids: Tensor  # (B,) int64: the data set's internal ids, from 1
    keys: Tensor  # (B,) int64: names the image's random draws in this step


def stack(
    prepared: Sequence[Prepared],
    padded_size: Size,
    max_objects: int,
    image_ids: Sequence[int],
    keys: Sequence[int],
) -> DetectionBatch:
    """Stack images padded to `padded_size`, with their objects padded to `max_objects`."""
    count = len(prepared)
    boxes = torch.zeros((count, max_objects, 4))
    labels = torch.full((count, max_objects), -1)
    crowd = torch.zeros((count, max_objects), dtype=torch.bool)
    for row, item in enumerate(prepared):
        boxes[row, : len(item.boxes)] = torch.from_numpy(item.boxes)
        labels[row, : len(item.labels)] = torch.from_numpy(item.labels)
        crowd[row, : len(item.crowd)] = torch.from_numpy(item.crowd)
    sizes = torch.tensor([item.image.shape[1:] for item in prepared])
    original_sizes = torch.tensor([item.original_size for item in prepared])
    return DetectionBatch(
        images=stack_images([item.image for item in prepared], padded_size),
        sizes=sizes,
        scales=(sizes.double() / original_sizes).float(),
        original_sizes=original_sizes,
        boxes=boxes,
        labels=labels,
        crowd=crowd,
        image_ids=torch.tensor(image_ids),
        keys=torch.tensor(keys, dtype=torch.int64),
    )
