"""Weights of a network that belong to single classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClassRows:
    """A tensor with the rows of one class after another."""

    per_class: int
    """Rows of each class."""
    background: Literal["last", "none"]
    """Place of the background's rows."""
