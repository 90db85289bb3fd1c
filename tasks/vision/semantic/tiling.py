"""A large image in windows of one size, in bounded memory.  Images are (C, H, W), logits (K, h, w).

Windows overlap, and where they do their logits are blended: a window's share falls off towards its
border, where it saw the least of the surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from resnet_backbones.errors import UserError

Predict = Callable[[Tensor], Tensor]
"""Windows (B, C, h, w) -> logits (B, K, h, w) float32 of every pixel."""
ALIGNED = 32  # pixels; windows that lie so see the same cells as the whole image does


@dataclass(frozen=True)
class Strip:
    """Rows of an image that no window will change any more."""

    top: int
    """Row of the image that is the first."""
    logits: Tensor
    """(K, rows, W) float32."""


def sliding_labels(
    predict: Predict, image: Tensor, window: int, overlap: float = 0.25, batch_size: int = 1
) -> Tensor:
    """Labels (H, W) uint8 of an image (C, H, W), on its device.

    Memory holds the logits of one row of windows. See `sliding_strips`.
    """
    strips = sliding_strips(predict, image, window, overlap, batch_size)
    return torch.cat([strip.logits.argmax(dim=0).to(torch.uint8) for strip in strips])


def sliding_logits(
    predict: Predict, image: Tensor, window: int, overlap: float = 0.25, batch_size: int = 1
) -> Tensor:
    """Logits (K, H, W) of an image (C, H, W), all in memory. See `sliding_strips`."""
    strips = sliding_strips(predict, image, window, overlap, batch_size)
    return torch.cat([strip.logits for strip in strips], dim=1)


def sliding_strips(
    predict: Predict, image: Tensor, window: int, overlap: float = 0.25, batch_size: int = 1
) -> Iterator[Strip]:
    """Yield an image's logits from top to bottom, each strip once the windows over it are done.

    Windows are of `window` pixels a side, or of the image's where that is less, and neighbours
    share at least `overlap` of it; `batch_size` of a row go through the network together. An image
    no larger than a window is given whole, and comes out as `predict` makes it. UserError for a
    window below 32 pixels and an overlap outside [0, 1).
    """
    if window < ALIGNED:
        raise UserError(
            f"a sliding window must have at least {ALIGNED} pixels a side, got {window}"
        )
    if not 0 <= overlap < 1:
        raise UserError(f"the windows' overlap must be in [0, 1), got {overlap}")
    if max(image.shape[1:]) <= window:
        return iter((Strip(0, predict(image[None])[0]),))
    return _strips(predict, image, window, overlap, batch_size)


def _strips(
    predict: Predict, image: Tensor, window: int, overlap: float, batch_size: int
) -> Iterator[Strip]:
    height = image.shape[1]
    tops = window_starts(height, window, overlap)
    shares = window_shares(tops, min(window, height), height).to(image.device)
    unfinished: Tensor | None = None  # (K, rows, W) from the last window's first finished row on
    for number, top in enumerate(tops):
        rows = image[:, top : top + window]
        logits = _row_of_windows(predict, rows, window, overlap, batch_size)  # (K, window, W)
        logits.mul_(shares[number, :, None])
        if unfinished is not None:
            logits[:, : unfinished.shape[1]].add_(unfinished)
        end = tops[number + 1] if number + 1 < len(tops) else height
        yield Strip(top, logits[:, : end - top])
        unfinished = logits[:, end - top :].clone()


def _row_of_windows(
    predict: Predict, rows: Tensor, window: int, overlap: float, batch_size: int
) -> Tensor:
    """Logits (K, h, W) of rows (C, h, W) of an image, of windows from left to right."""
    width = rows.shape[2]
    lefts = window_starts(width, window, overlap)
    side = min(window, width)
    shares = window_shares(lefts, side, width).to(rows.device)
    total: Tensor | None = None
    for first in range(0, len(lefts), batch_size):
        group = lefts[first : first + batch_size]
        found = predict(torch.stack([rows[:, :, left : left + side] for left in group]))
        if total is None:
            total = found.new_zeros(found.shape[1], rows.shape[1], width)
        for logits, left, share in zip(found, group, shares[first:], strict=False):
            total[:, :, left : left + side].addcmul_(logits, share)
    assert total is not None
    return total


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """First pixels of windows that cover `length` pixels; all but the last are multiples of 32,
    where the overlap leaves room for that.
    """
    most = max(1, int(window * (1 - overlap)))  # pixels from one to the next
    step = most // ALIGNED * ALIGNED or most
    last = max(0, length - window)
    return [*range(0, last, step), last]


def window_shares(starts: list[int], window: int, length: int) -> Tensor:
    """What each window counts for at each of its pixels (N, window) float32.

    Shares of all windows over a pixel sum to 1; a window's are largest at its centre and fall off
    as the square of a sine. Along the other axis they are the same, so that a pixel's share is the
    product of both.
    """
    places = torch.arange(window, dtype=torch.float64) + 0.5
    bump = torch.sin(places * pi / window).square()
    total = torch.zeros(length, dtype=torch.float64)
    for start in starts:
        total[start : start + window] += bump
    shares = [bump / total[start : start + window] for start in starts]
    return torch.stack(shares).float()
