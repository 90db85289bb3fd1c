"""Which weights of a network belong to single classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClassRows:
    """A tensor whose rows are those of one class after another."""

    per_class: int
    """Rows of each class."""
    background: Literal["last", "none"]
    """Where the background's rows are."""
