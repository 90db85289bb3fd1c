"""How well a grid of anchors can cover annotated boxes, in numpy alone.  M objects."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class AnchorGrid:
    """Anchors and the resize before them, as the settings of the same names."""

    sizes: tuple[float, ...] = (32, 64, 128, 256, 512)
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    strides: tuple[int, ...] = (4, 8, 16, 32, 64)
    short_edge: int = 800
    long_edge: int = 1333
    size_divisor: int = 32

    def scales(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factors (M,) by which images of (height, width), (M, 2), are resized."""
        short = self.short_edge / sizes.min(axis=1)
        long = self.long_edge / sizes.max(axis=1)
        scales: NDArray[np.float64] = np.minimum(short, long)
        return scales


def best_iou(
    boxes: NDArray[np.float64], sizes: NDArray[np.float64], grid: AnchorGrid
) -> NDArray[np.float64]:
    """Compute the best IoU (M,) that any anchor has with each box (x, y, width, height).

    `sizes` (M, 2) are the (height, width) of the boxes' images, whose sides are not rounded when
    resized. It is exact without a list of all anchors: an intersection is the product of the
    overlaps on both axes, and two intervals of given lengths overlap most when their centres are
    closest.
    """
    scale = grid.scales(sizes)[:, None]  # (M, 1)
    padded = np.ceil(np.maximum(1, sizes * scale) / grid.size_divisor) * grid.size_divisor
    start = boxes[:, :2] * scale
    side = boxes[:, 2:] * scale
    areas = side.prod(axis=1)
    best = np.zeros(len(boxes))
    for size, stride in zip(grid.sizes, grid.strides, strict=True):
        cells = np.ceil(padded / stride)[:, ::-1]  # (M, 2) across and down
        centres = np.clip(np.round((start + side / 2) / stride), 0, cells - 1) * stride
        for ratio in grid.ratios:
            half = 0.5 * size * np.array([ratio**-0.5, ratio**0.5])  # across and down
            overlap = np.minimum(start + side, centres + half) - np.maximum(start, centres - half)
            shared = np.maximum(overlap, 0).prod(axis=1)
            best = np.maximum(best, shared / (areas + size**2 - shared))
    return best
