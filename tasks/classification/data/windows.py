"""Choose and cut out the part of an image for a classifier.

Sizes are (height, width) in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from resnet_backbones.errors import UserError
from tasks.classification.config import AugmentConfig, Interpolation, TestConfig
from tasks.images import OpenImage, Pixels
from tasks.vision.padding import Size
from tasks.vision.placement import resize

TRIES = 10
DRAWS = 1 + 4 * TRIES
"""Count of random numbers for a window: the flip, and area, ratio, top and left of each try."""
SPARE = 2
"""Least ratio of decoded to shown side, if an image is decoded at a smaller scale."""
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, resized to a square."""

    left: float
    top: float
    width: float
    height: float
    flip: bool

    def cut(self, image: OpenImage, side: int, interpolation: Interpolation) -> Pixels:
        """Decode the image no larger than needed, and return the square (side, side, 3)."""
        spare = min(self.width, self.height) / (SPARE * side)
        pixels = image.rgb(reduced=max(1, min(8, int(spare))))
        height, width = image.size
        x = pixels.width / width  # 1, or less if it was decoded smaller
        y = pixels.height / height
        right = min((self.left + self.width) * x, pixels.width)
        bottom = min((self.top + self.height) * y, pixels.height)
        box = (self.left * x, self.top * y, right, bottom)
        square = _resized(pixels, box, side, interpolation)  # (3, side, side)
        return (square.flip(-1) if self.flip else square).permute(1, 2, 0).numpy()


def _resized(
    pixels: Image.Image,
    box: tuple[float, float, float, float],
    side: int,
    interpolation: Interpolation,
) -> Tensor:
    """Resize a box (x1, y1, x2, y2) of an image to a square (3, side, side).

    torch has PIL's bilinear filter, to within 1 of 255, and is three times as fast; it does not
    take fractions of pixels.
    """
    if interpolation == "bilinear" and all(edge == int(edge) for edge in box):
        return resize(np.array(pixels.crop(box)), (side, side), "antialias")
    square = pixels.resize((side, side), FILTERS[interpolation], box)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def resized_window(size: Size, draws: Sequence[float], config: AugmentConfig) -> Window:
    """Draw the window of random area and ratio (Szegedy et al. 2015), with torchvision's rules: ten
    tries, and then the largest centred one of an allowed ratio. `draws` are DRAWS numbers in [0,
    1).
    """
    height, width = size
    flip = draws[0] < config.flip
    low, high = config.area
    log_low, log_high = (math.log(ratio) for ratio in config.ratio)
    for attempt in range(TRIES):
        area, shape, top, left = draws[1 + 4 * attempt : 5 + 4 * attempt]
        pixels = height * width * (low + area * (high - low))
        ratio = math.exp(log_low + shape * (log_high - log_low))
        w = round(math.sqrt(pixels * ratio))
        h = round(math.sqrt(pixels / ratio))
        if 0 < w <= width and 0 < h <= height:
            x = int(left * (width - w + 1))
            y = int(top * (height - h + 1))
            return Window(x, y, w, h, flip)
    narrow, wide = config.ratio
    w = width if width / height <= wide else round(height * wide)
    h = height if width / height >= narrow else round(width / narrow)
    w = max(w, 1)
    h = max(h, 1)
    return Window((width - w) // 2, (height - h) // 2, w, h, flip)


def scaled_window(size: Size, draws: Sequence[float], config: AugmentConfig) -> Window:
    """Draw a square of the image after resizing its shorter side to a number from
    config.short_edge.
    """
    flip, edge, top, left = draws[0], *draws[1:4]
    low, high = config.short_edge
    scaled = shorter_side_at(size, low + int(edge * (high - low + 1)))
    x = int(left * (scaled[1] - config.size + 1))
    y = int(top * (scaled[0] - config.size + 1))
    zoom_x = size[1] / scaled[1]
    zoom_y = size[0] / scaled[0]
    side_x = config.size * zoom_x
    side_y = config.size * zoom_y
    return Window(x * zoom_x, y * zoom_y, side_x, side_y, flip < config.flip)


def padded_square(
    image: OpenImage, draws: Sequence[float], config: AugmentConfig, colour: Sequence[int]
) -> Pixels:
    """Draw a square of the image with config.pad pixels of a colour around it."""
    pixels = image.rgb()
    size = config.size
    room = (pixels.width + 2 * config.pad - size, pixels.height + 2 * config.pad - size)
    if min(room) < 0:
        shown = f"{pixels.width}x{pixels.height}"
        rule = f"augment.size={size} must fit into every image with augment.pad={config.pad}"
        seen = f"{image.source} is" if isinstance(image.source, Path) else "got one of"
        raise UserError(
            f"{rule} around it, {seen} {shown}; lower augment.size, or take the image out"
        )
    x = int(draws[1] * (room[0] + 1)) - config.pad
    y = int(draws[2] * (room[1] + 1)) - config.pad
    square = Image.new("RGB", (size, size), (colour[0], colour[1], colour[2]))
    square.paste(pixels, (-x, -y))
    flip = draws[0] < config.flip
    return np.asarray(square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else square)


def resized_for_test(pixels: Image.Image, resize: int | None, config: TestConfig) -> Image.Image:
    """Take the whole image at its test size, with torchvision's rounding."""
    if resize is None:
        return pixels
    height, width = shorter_side_at((pixels.height, pixels.width), resize)
    if (width, height) == pixels.size:
        return pixels
    return pixels.resize((width, height), FILTERS[config.interpolation])


def crop_at(pixels: Image.Image, side: int, corner: str = "center") -> Image.Image:
    """Take a square of the image; UserError if the image is smaller."""
    if min(pixels.size) < side:
        seen = f"{pixels.width}x{pixels.height}"
        way_out = f"set test.resize to at least {side}, or lower test.crop"
        raise UserError(f"test.crop={side} must fit into every image, got one of {seen}; {way_out}")
    top, left = corner_of((pixels.height, pixels.width), side, corner)
    return pixels.crop((left, top, left + side, top + side))


def corner_of(size: Size, side: int, corner: str) -> tuple[int, int]:
    """Return top and left of a square in an image: in its centre, rounded as in torchvision, or at
    a corner, such as "top left".
    """
    height, width = size
    if corner == "center":
        return round((height - side) / 2.0), round((width - side) / 2.0)
    top = 0 if "top" in corner else height - side
    left = 0 if "left" in corner else width - side
    return top, left


def shorter_side_at(size: Size, side: int) -> Size:
    """Return a size of the same shape with this shorter side; the longer side is rounded down, as
    in torchvision.
    """
    height, width = size
    if height < width:
        return side, int(side * width / height)
    return int(side * height / width), side
