"""Segment a large image in windows of one size, in bounded memory. Images are (C, H, W), logits (K,
h, w).

Windows overlap, and their logits are blended there: a window's share falls off towards its border,
where it saw the least of the surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from resnet_backbones.errors import UserError

Predict = Callable[[Tensor, Tensor], Tensor]
"""Windows (B, C, h, w) and their sizes without padding (B, 2) -> logits (B, K, h, w) float32."""
ALIGNED = 32  # pixels; windows at multiples of this see the same cells as the whole image


@dataclass(frozen=True)
class Strip:
    """Rows of an image that no window will change any more."""

    top: int
    """The first row's place in the image."""
    logits: Tensor
    """(K, rows, W) float32."""


def sliding_labels(
    predict: Predict, image: Tensor, window: int, overlap: float = 0.25, batch_size: int = 1
) -> Tensor:
    """Find the labels (H, W) uint8 of an image (C, H, W), on its device.

    Memory holds the logits of one row of windows. See `sliding_strips`.
    """
    strips = sliding_strips(predict, image, window, overlap, batch_size)
    return torch.cat([strip.logits.argmax(dim=0).to(torch.uint8) for strip in strips])


def sliding_strips(
    predict: Predict, image: Tensor, window: int, overlap: float = 0.25, batch_size: int = 1
) -> Iterator[Strip]:
    """Yield an image's logits from top to bottom, each strip once the windows over it are done.

    Windows have `window` pixels a side, or the image's side if that is less, and neighbours share
    at least `overlap` of it; `batch_size` windows of a row go through the network together. The
    image is padded to multiples of 32, and windows start at these, so that they see the same cells
    as a whole image. An image no larger than a window goes to `predict` whole. UserError for a
    window that is not a multiple of 32, and for an overlap outside [0, 1).
    """
    if window < ALIGNED or window % ALIGNED:
        raise UserError(f"a sliding window must be a multiple of {ALIGNED} pixels, got {window}")
    if not 0 <= overlap < 1:
        raise UserError(f"the windows' overlap must be in [0, 1), got {overlap}")
    height, width = image.shape[1:]
    if max(height, width) <= window:
        return iter((Strip(0, predict(image[None], torch.tensor([[height, width]]))[0]),))
    padded = F.pad(image, (0, -width % ALIGNED, 0, -height % ALIGNED))
    return _Slide(predict, padded, (height, width), window, overlap, batch_size).strips()


@dataclass(frozen=True)
class _Slide:
    """Windows over an image (C, H, W) that is padded to multiples of 32."""

    predict: Predict
    image: Tensor
    size: tuple[int, int]
    """Its (height, width) without padding."""
    window: int
    overlap: float
    batch_size: int

    def strips(self) -> Iterator[Strip]:
        padded = self.image.shape[1]
        tops = window_starts(padded, self.window, self.overlap)
        shares = window_shares(tops, min(self.window, padded), padded).to(self.image.device)
        unfinished: Tensor | None = None  # (K, rows, W) from the next window's first row on
        for number, top in enumerate(tops):
            logits = self._row(top)  # (K, window, W)
            logits.mul_(shares[number, :, None])
            if unfinished is not None:
                logits[:, : unfinished.shape[1]].add_(unfinished)
            end = tops[number + 1] if number + 1 < len(tops) else self.size[0]
            yield Strip(top, logits[:, : end - top, : self.size[1]])
            unfinished = logits[:, end - top :].clone()

    def _row(self, top: int) -> Tensor:
        """Compute logits (K, h, W) of the windows that start at a row of the image, from left to
        right.
        """
        rows = self.image[:, top : top + self.window]
        width = rows.shape[2]
        side = min(self.window, width)
        lefts = window_starts(width, self.window, self.overlap)
        shares = window_shares(lefts, side, width).to(rows.device)
        total: Tensor | None = None
        for first in range(0, len(lefts), self.batch_size):
            group = lefts[first : first + self.batch_size]
            windows = torch.stack([rows[:, :, left : left + side] for left in group])
            found = self.predict(windows, self._sizes(top, group, windows))
            if total is None:
                total = found.new_zeros(found.shape[1], rows.shape[1], width)
            for logits, left, share in zip(found, group, shares[first:], strict=False):
                total[:, :, left : left + side].addcmul_(logits, share)
        assert total is not None
        return total

    def _sizes(self, top: int, lefts: list[int], windows: Tensor) -> Tensor:
        """Return each window's size without padding (B, 2)."""
        height, width = self.size
        rows = min(windows.shape[2], height - top)
        return torch.tensor([[rows, min(windows.shape[3], width - left)] for left in lefts])


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """Return the first pixels of the fewest windows that cover `length` pixels, spread evenly. They
    are multiples of 32, as `length` and `window` are, if the overlap allows it.
    """
    most = max(1, int(window * (1 - overlap)))  # pixels from one to the next
    unit = ALIGNED if most >= ALIGNED else 1
    last = max(0, length - window) // unit
    gaps = -(-last // (most // unit))
    return [number * last // gaps * unit for number in range(gaps)] + [last * unit]


def window_shares(starts: list[int], window: int, length: int) -> Tensor:
    """Compute each window's share at each of its pixels, (N, window) float32.

    The shares over a pixel sum to 1; a window's share is largest at its centre and falls off as the
    square of a sine. The other axis has the same shares, and a pixel's share is the product of
    both.
    """
    places = torch.arange(window, dtype=torch.float64) + 0.5
    bump = torch.sin(places * pi / window).square()
    total = torch.zeros(length, dtype=torch.float64)
    for start in starts:
        total[start : start + window] += bump
    shares = [bump / total[start : start + window] for start in starts]
    return torch.stack(shares).float()
