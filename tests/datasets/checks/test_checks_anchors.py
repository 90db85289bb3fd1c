"""The best overlap of anchors, found without a list of them, against the detector's list."""

import numpy as np
import torch
from torchvision.ops import box_iou

from tasks.boxes import to_corners
from tasks.datasets.checks.anchors import AnchorGrid, best_iou
from tasks.detection.config import AnchorConfig
from tasks.detection.model.anchors import AnchorGenerator


def test_best_overlap_is_that_of_all_anchors() -> None:
    rng = np.random.default_rng(0)
    boxes = np.concatenate((rng.uniform(-10, 200, (60, 2)), rng.uniform(1, 180, (60, 2))), axis=1)
    config = AnchorConfig(sizes=(8, 16, 32, 64, 128))
    strides = (4, 8, 16, 32, 64)
    padded = (192, 256)
    shapes = tuple((-(-padded[0] // stride), -(-padded[1] // stride)) for stride in strides)
    anchors = torch.cat(
        AnchorGenerator(strides, config)(padded, shapes, torch.device("cpu"))
    ).double()
    corners = torch.from_numpy(to_corners(boxes))
    grid = AnchorGrid(sizes=config.sizes, short_edge=180, long_edge=240)
    best = best_iou(boxes, np.tile([180.0, 240.0], (60, 1)), grid)
    np.testing.assert_allclose(best, box_iou(corners, anchors).amax(dim=1).numpy(), atol=1e-6)


def test_boxes_are_scaled_as_the_resize_does() -> None:
    grid = AnchorGrid(ratios=(1.0,), short_edge=800, long_edge=1333)
    size = np.array([[400.0, 400.0]])
    assert best_iou(np.array([[84.0, 84.0, 32.0, 32.0]]), size, grid).tolist() == [
        1.0
    ]  # 64 pixels at 200, a p3 cell
