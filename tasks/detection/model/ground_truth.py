"""The objects that a detector learns from.  B images, G padded objects."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class GroundTruth:
    """The objects of a batch, and the keys that name the images' random draws."""

    boxes: Tensor
    """(B, G, 4) float32 in pixels of the resized image; zero for padding."""
    labels: Tensor
    """(B, G) int64 in 0..F-1; -1 for padding."""
    is_object: Tensor
    """(B, G) bool; false for padding and crowds."""
    crowd: Tensor
    """(B, G) bool."""
    keys: Tensor
    """(B,) int64."""
