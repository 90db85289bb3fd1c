"""A tiny detector and batches for it, shared by the tests."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.detection.config import AnchorConfig, ModelConfig, RoiConfig, RpnConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn

TINY = ModelConfig(
    backbone="resnet18",
    norm="group",
    pyramid_channels=16,
    anchors=AnchorConfig(sizes=(8, 16, 32, 64, 128)),
    rpn=RpnConfig(
        samples=32, train_pre_nms=100, train_post_nms=50, test_pre_nms=100, test_post_nms=50
    ),
    roi=RoiConfig(hidden=32, samples=32),
)


def tiny_detector(config: ModelConfig = TINY, classes: int = 3) -> FasterRCNN:
    torch.manual_seed(0)
    return build_faster_rcnn(config, classes)


def tiny_batch(
    boxes: list[list[list[float]]],
    shape: tuple[int, int] = (96, 128),
    max_objects: int = 8,
    crowd: bool = False,
) -> DetectionBatch:
    """Images of noise with the given boxes; labels count up from 0."""
    count = len(boxes)
    packed, labels = torch.zeros(count, max_objects, 4), torch.full((count, max_objects), -1)
    for image, own in enumerate(boxes):
        if own:
            packed[image, : len(own)] = torch.tensor(own)
            labels[image, : len(own)] = torch.arange(len(own)) % 3
    sizes = torch.tensor([shape] * count)
    generator = torch.Generator().manual_seed(0)
    images: Tensor = torch.randint(
        0, 256, (count, 3, *shape), dtype=torch.uint8, generator=generator
    )
    return DetectionBatch(
        images=images,
        sizes=sizes,
        scales=torch.ones(count, 2),
        original_sizes=sizes,
        boxes=packed,
        labels=labels,
        crowd=(labels >= 0) & crowd,
        image_ids=torch.arange(count),
        keys=torch.arange(count) + 11,
    )
