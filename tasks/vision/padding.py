"""Pad images to few sizes, so that little is compiled and allocated again.

Sizes are (height, width) in pixels.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

Size = tuple[int, int]

LEAST_OBJECTS = 8
_FINE_PADDING = 256  # pixels up to which padded sides are multiples of the divisor itself


def padded_side(side: int, divisor: int, longest: int) -> int:
    """Return the padded side in training: one of few, all multiples of `divisor`, coarser above 256
    pixels.

    No side is padded beyond `longest`, the recipe's longest side, rounded up to the divisor.
    """
    step = divisor if side <= _FINE_PADDING else round_up(64, divisor)
    return min(round_up(side, step), round_up(longest, divisor))


def padded_objects(count: int) -> int:
    """Return the padded number of objects of an image: the next power of two, at least 8."""
    return max(LEAST_OBJECTS, 1 << (count - 1).bit_length()) if count else LEAST_OBJECTS


def round_up(value: int, divisor: int) -> int:
    """Return the next multiple of `divisor`."""
    return -(-value // divisor) * divisor


def largest_size(sizes: Iterable[Size]) -> Size:
    """Return the smallest size that holds all of `sizes`."""
    heights, widths = zip(*sizes, strict=True)
    return max(heights), max(widths)


def stack_images(images: Sequence[Tensor], padded_size: Size) -> Tensor:
    """Stack images (3, h, w) uint8 as (B, 3, H, W), channels_last, zero outside of each."""
    batch = torch.zeros((len(images), *padded_size, 3), dtype=torch.uint8)
    stacked = batch.permute(0, 3, 1, 2)
    for row, image in enumerate(images):
        stacked[row, :, : image.shape[1], : image.shape[2]] = image
    return stacked
