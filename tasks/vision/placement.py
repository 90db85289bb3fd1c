"""Place one image: resize, crop, flip.

Sizes are (height, width) in pixels; boxes are (x1, y1, x2, y2) in pixels, (n, 4) for the n objects
of an image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tasks.vision.padding import Size

Rounding = Literal["half_up", "floor"]
ResizeFilter = Literal["antialias", "bilinear"]
Value = TypeVar("Value", bound=np.generic)

_LEAST_SIDE = (
    1e-5  # pixels; boxes that are thinner are dropped (detectron2 `filter_empty_instances`)
)


@dataclass(frozen=True)
class Crop:
    """Part of a resized image; it may reach past the right and lower border."""

    top: int
    left: int
    size: Size


@dataclass(frozen=True)
class Placement:
    """The operations on one image, in the order of the fields; decided before any pixel is read."""

    size: Size
    """Size after resizing."""
    crop: Crop | None = None
    """Kept part of the resized image; None for all."""
    flip: bool = False
    """Whether the image is flipped horizontally."""

    @property
    def final_size(self) -> Size:
        """Size of the kept part."""
        rows, columns = self._kept()
        return rows.stop - rows.start, columns.stop - columns.start

    def of_image(self, pixels: NDArray[np.uint8], resize_filter: ResizeFilter) -> Tensor:
        """Place pixels (H, W, 3) as a tensor (3, h, w) uint8."""
        rows, columns = self._kept()
        image = resize(pixels, self.size, resize_filter)[:, rows, columns]
        return image.flip(-1) if self.flip else image

    def of_boxes(
        self, boxes: NDArray[np.float64], original_size: Size
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Place boxes of an image of `original_size`, and clip them to the kept part.

        Returns all n boxes, and which of them (n,) still have an area as float32.
        """
        rows, columns = self._kept()
        height, width = self.final_size
        ratio_y = self.size[0] / original_size[0]  # each axis has its own exact ratio
        ratio_x = self.size[1] / original_size[1]
        placed = boxes * np.array([ratio_x, ratio_y] * 2)
        placed = placed - np.array([columns.start, rows.start] * 2)
        if self.flip:
            placed[:, [0, 2]] = width - placed[:, [2, 0]]
        clipped = np.clip(placed, 0, np.array([width, height] * 2)).astype(np.float32)
        sides = clipped[:, 2:] - clipped[:, :2]
        return clipped, np.all(sides > _LEAST_SIDE, axis=1)

    def of_mask(self, mask: NDArray[Value]) -> NDArray[Value]:
        """Place a mask (H, W) of bools or of indices as (h, w): each pixel takes the value of its
        nearest neighbour.
        """
        rows, columns = self._kept()
        nearest_rows = _nearest(mask.shape[0], self.size[0])[rows]
        nearest_columns = _nearest(mask.shape[1], self.size[1])[columns]
        if self.flip:
            nearest_columns = nearest_columns[::-1]
        placed: NDArray[Value] = mask[np.ix_(nearest_rows, nearest_columns)]
        return placed

    def fitted(self, original_size: Size) -> Placement:
        """Adapt the placement to an image of another shape than planned: no larger than planned,
        with its crop inside.
        """
        size = fitted_size(original_size, self.size)
        if self.crop is None:
            return replace(self, size=size)
        top = min(self.crop.top, max(0, size[0] - self.crop.size[0]))
        left = min(self.crop.left, max(0, size[1] - self.crop.size[1]))
        return replace(self, size=size, crop=replace(self.crop, top=top, left=left))

    def _kept(self) -> tuple[slice, slice]:
        """Return the kept rows and columns of the resized image."""
        height, width = self.size
        crop = self.crop or Crop(0, 0, self.size)
        rows = slice(crop.top, min(crop.top + crop.size[0], height))
        columns = slice(crop.left, min(crop.left + crop.size[1], width))
        return rows, columns


@dataclass(frozen=True)
class ImagePlan:
    """An image to read and its operations; it contains all random choices."""

    index: int
    """Position in the data set."""
    key: int
    """Names the image's random draws in this step."""
    placement: Placement
    paste: ImagePlan | None = None
    """The image whose objects are pasted over this one."""


def resized_size(size: Size, short_edge: int, long_edge: int, rounding: Rounding) -> Size:
    """Return the size with the shorter side `short_edge`, or less if the longer would exceed
    `long_edge`; at least 1 pixel.

    `half_up` is detectron2's `ResizeShortestEdge.get_output_shape`, `floor` torchvision's
    `GeneralizedRCNNTransform`, each with its own order of operations, so that floating-point
    rounding agrees too.
    """
    height, width = size
    if rounding == "floor":
        scale = min(short_edge / min(size), long_edge / max(size))
        return max(1, int(height * scale)), max(1, int(width * scale))
    scale = short_edge / min(size)
    new_height = scale * height
    new_width = scale * width
    if height < width:
        new_height = short_edge
    else:
        new_width = short_edge
    if max(new_height, new_width) > long_edge:
        shrink = long_edge / max(new_height, new_width)
        new_height *= shrink
        new_width *= shrink
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))


def jittered(
    size: Size, target: Size, factor: float, draws: tuple[float, float]
) -> tuple[Size, Crop]:
    """Return the size that fits into `factor` times the target, and a crop of the target's size,
    placed in it by two draws in [0, 1).

    As detectron2's `ResizeScale` and `FixedSizeCrop`, except that those draw one number only for
    the crop's place.
    """
    scale = min(target[0] * factor / size[0], target[1] * factor / size[1])
    height = max(1, round(size[0] * scale))
    width = max(1, round(size[1] * scale))
    top = round(max(0, height - target[0]) * draws[0])
    left = round(max(0, width - target[1]) * draws[1])
    return (height, width), Crop(top, left, target)


def fitted_size(size: Size, limit: Size) -> Size:
    """Return the largest size of the same shape, to the pixel, that is no larger than `limit`."""
    scale = min(limit[0] / size[0], limit[1] / size[1])
    height = min(limit[0], max(1, round(size[0] * scale)))
    width = min(limit[1], max(1, round(size[1] * scale)))
    return height, width


def resize(pixels: NDArray[np.uint8], size: Size, resize_filter: ResizeFilter) -> Tensor:
    """Resize pixels (H, W, 3) to (3, h, w) uint8; `antialias` is PIL's bilinear filter to within 1.

    Pixels of that size are not copied.
    """
    # torch recognises channels_last by all strides, including the batch's, and is faster in it
    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)  # (1, 3, H, W)
    if pixels.shape[:2] == size:
        return image[0]
    if resize_filter == "antialias":
        return F.interpolate(image, size=size, mode="bilinear", antialias=True)[0]
    return F.interpolate(image.float(), size=size, mode="bilinear").round().to(torch.uint8)[0]


def _nearest(old: int, new: int) -> NDArray[np.int64]:
    """Find the nearest of `old` pixels to each of `new` ones that span the same length, (new,)."""
    return ((np.arange(new) + 0.5) * (old / new)).astype(np.int64)
