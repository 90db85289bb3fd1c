"""Kinds of cases."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from campaign.outcomes import Verdict


@dataclass(frozen=True)
class Place:
    """Where a case is run, and what it draws from."""

    base: Path
    """What all cases read: data sets, settings and finished runs."""
    folder: Path
    """The case's own, empty at first."""
    chance: Random


@dataclass(frozen=True)
class Kind:
    """Cases that are a row of the table."""

    name: str
    title: str
    full: int
    """Cases of a whole campaign."""
    quick: int
    """Cases of the run that is part of the tests."""
    run: Callable[[Place], Verdict]
    unit: str = "cases"
