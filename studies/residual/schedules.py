"""Lengths of training and their learning rates: those of the papers, and shorter ones of the same
shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

BATCH = 128
CIFAR_IMAGES = 50_000
PART = 10_000
"""Training images of a study of minutes."""
PAPER_STEPS = 64_000
LEARNING_RATE = 0.1
"""That of the recipe."""


@dataclass(frozen=True)
class Schedule:
    """A length and a learning rate."""

    words: str
    """For the page."""
    settings: tuple[str, ...]

    def but(self, words: str, *settings: str) -> Schedule:
        """The same with some of it changed."""
        return Schedule(f"{self.words}; {words}", (*self.settings, *settings))


def stretched(
    epochs: int,
    *,
    images: int = CIFAR_IMAGES,
    evaluations: int,
    precision: str,
    learning_rate: float = LEARNING_RATE,
) -> Schedule:
    """The paper's shape over so many epochs: a tenth of the learning rate at 50 % and 75 %."""
    steps = epochs * math.ceil(images / BATCH)
    words = (
        f"{epochs} epochs, {steps:,} steps of {BATCH} images; SGD, learning rate {learning_rate:g},"
        " divided by 10 at 50 % and 75 % as in He et al. 2016, section 4.2, no warm-up; weight"
        f" decay 0.0001; crops of padded images and flips; arithmetic {precision}"
    )
    settings = _settings(steps, math.ceil(steps / evaluations), precision)
    schedule = Schedule(words, settings)
    if learning_rate == LEARNING_RATE:
        return schedule
    return replace(schedule, settings=(*settings, f"optim.lr={learning_rate}"))


def of_part(
    epochs: int, *, evaluations: int | None = None, learning_rate: float = LEARNING_RATE
) -> Schedule:
    """So many epochs of PART of the training images, for two CPU cores; scored after each, or so
    many times.
    """
    return stretched(
        epochs,
        images=PART,
        evaluations=evaluations or epochs,
        precision="bf16",
        learning_rate=learning_rate,
    )


def paper() -> Schedule:
    """64,000 steps, the learning rate divided by 10 at 32,000 and 48,000."""
    words = (
        f"that of He et al. 2016, section 4.2: {PAPER_STEPS:,} steps of {BATCH} images; SGD,"
        " learning rate 0.1, divided by 10 after 32,000 and 48,000 steps, no warm-up; weight decay"
        " 0.0001; crops of padded images and flips"
    )
    return Schedule(words, _settings(PAPER_STEPS, 1000, "auto"))


def warm_up(*, until: float, metric: str) -> tuple[str, ...]:
    """A learning rate of 0.01 until a score, measured every 400 steps, is reached (He et al. 2016,
    section 4.2).
    """
    return (
        "schedule.warmup_factor=0.1",
        f"schedule.warmup_until={until}",
        f"schedule.warmup_metric={metric}",
        *_scored_every(400),
    )


def _settings(steps: int, every: int, precision: str) -> tuple[str, ...]:
    """The recipe's milestones scale with the steps."""
    return (f"schedule.steps={steps}", *_scored_every(every), f"run.precision={precision}")


def _scored_every(steps: int) -> tuple[str, ...]:
    """A loss is logged wherever errors are measured."""
    return (f"run.eval_every={steps}", f"run.log_every={steps}", f"run.save_every={steps}")
