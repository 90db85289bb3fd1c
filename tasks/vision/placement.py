"""What is done with one image in space: resized, cropped, flipped.  Sizes are (height, width)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tasks.vision.padding import Size

Rounding = Literal["half_up", "floor"]


@dataclass(frozen=True)
class Window:
    """Part of a resized image; it may reach past the right and lower border."""

    top: int
    left: int
    size: Size


@dataclass(frozen=True)
class Sample:
    """What is to be done with one image; all chance is in here."""

    index: int  # place in the data set
    key: int  # names the image's random draws in this step
    size: Size  # after resizing
    flip: bool
    window: Window | None = None  # what is kept of the resized image
    paste: "Sample | None" = None  # the image whose objects are pasted over this one

    @property
    def final_size(self) -> Size:
        """Size of what is kept."""
        if self.window is None:
            return self.size
        ends = self.size[0] - self.window.top, self.size[1] - self.window.left
        return min(self.window.size[0], ends[0]), min(self.window.size[1], ends[1])


def resized_size(size: Size, short_edge: int, long_edge: int, rounding: Rounding) -> Size:
    """Size with the shorter side `short_edge`, or less where the longer would pass `long_edge`; at
    least 1 pixel.

    `half_up` is detectron2's `ResizeShortestEdge.get_output_shape`, `floor` torchvision's
    `GeneralizedRCNNTransform`, each with its own order of operations, so that floating-point
    rounding is theirs too.
    """
    height, width = size
    if rounding == "floor":
        scale = min(short_edge / min(size), long_edge / max(size))
        return max(1, int(height * scale)), max(1, int(width * scale))
    scale = short_edge / min(size)
    new_height, new_width = (
        (short_edge, scale * width) if height < width else (scale * height, short_edge)
    )
    if max(new_height, new_width) > long_edge:
        shrink = long_edge / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))


def jittered(
    size: Size, target: Size, factor: float, draws: tuple[float, float]
) -> tuple[Size, Window]:
    """Size that fits into `factor` times the target, and the window of the target's size that two
    draws place in it.

    detectron2's `ResizeScale` and `FixedSizeCrop`, but for the window's place, of which those draw
    one number only.
    """
    scale = min(target[0] * factor / size[0], target[1] * factor / size[1])
    height, width = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    top, left = (max(0, side - aim) for side, aim in zip((height, width), target, strict=True))
    return (height, width), Window(round(top * draws[0]), round(left * draws[1]), target)


def fitted_size(size: Size, limit: Size) -> Size:
    """The largest size of the same shape, to the pixel, that is no larger than `limit`."""
    scale = min(limit[0] / size[0], limit[1] / size[1])
    return min(limit[0], max(1, round(size[0] * scale))), min(
        limit[1], max(1, round(size[1] * scale))
    )


def resize(
    pixels: NDArray[np.uint8], size: Size, resize_filter: Literal["antialias", "bilinear"]
) -> Tensor:
    """Pixels (H, W, 3) at another size, as (3, h, w) uint8; `antialias` is PIL's bilinear filter to
    within 1.
    """
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]  # (1, 3, H, W), channels_last
    if pixels.shape[:2] == size:
        return image[0]
    if resize_filter == "antialias":
        return F.interpolate(image, size=size, mode="bilinear", antialias=True)[0]
    return F.interpolate(image.float(), size=size, mode="bilinear").round().to(torch.uint8)[0]
