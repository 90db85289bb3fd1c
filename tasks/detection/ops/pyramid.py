"""Feature pyramids as lists of maps (B, C, h, w), fine to coarse."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

Shapes = tuple[tuple[int, int], ...]  # heights and widths of the levels, in cells


def shapes_of(pyramid: Sequence[Tensor]) -> Shapes:
    """Return the heights and widths of feature maps (B, C, h, w)."""
    return tuple((features.shape[2], features.shape[3]) for features in pyramid)
