"""Lengths of training and their learning rates: those of the papers, and shorter ones of the same
shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BATCH = 128
CIFAR_IMAGES = 50_000
PAPER_STEPS = 64_000


@dataclass(frozen=True)
class Schedule:
    """A length and a learning rate."""

    words: str
    """For the page."""
    settings: tuple[str, ...]


def stretched(
    epochs: int, *, images: int = CIFAR_IMAGES, evaluations: int, precision: str
) -> Schedule:
    """The paper's shape over so many epochs: a tenth of the learning rate at 50 % and 75 %."""
    steps = epochs * math.ceil(images / BATCH)
    words = (
        f"{epochs} epochs, {steps:,} steps of {BATCH} images; SGD, learning rate 0.1, divided by"
        " 10 at 50 % and 75 % as in He et al. 2016, section 4.2, no warm-up; weight decay 0.0001;"
        f" crops of padded images and flips; arithmetic {precision}"
    )
    return Schedule(words, _settings(steps, steps // evaluations, precision))


def paper() -> Schedule:
    """64,000 steps, the learning rate divided by 10 at 32,000 and 48,000."""
    words = (
        f"that of He et al. 2016, section 4.2: {PAPER_STEPS:,} steps of {BATCH} images; SGD,"
        " learning rate 0.1, divided by 10 after 32,000 and 48,000 steps, no warm-up; weight decay"
        " 0.0001; crops of padded images and flips"
    )
    return Schedule(words, _settings(PAPER_STEPS, 1000, "auto"))


def _settings(steps: int, every: int, precision: str) -> tuple[str, ...]:
    """A loss is logged wherever errors are measured; the recipe's milestones scale with the
    steps.
    """
    return (
        f"schedule.steps={steps}",
        f"run.eval_every={every}",
        f"run.log_every={every}",
        f"run.save_every={every}",
        f"run.precision={precision}",
    )
