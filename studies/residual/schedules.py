"""Schedules of the papers, and shorter ones of the same shape."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

BATCH = 128
CIFAR_IMAGES = 50_000
PART = 10_000
"""Number of training images in the studies that take minutes."""
PAPER_STEPS = 64_000
LEARNING_RATE = 0.1
"""Learning rate of the recipe."""


@dataclass(frozen=True)
class Schedule:
    """Length and learning rate of a training."""

    words: str
    """Description for the page."""
    settings: tuple[str, ...]

    def but(self, words: str, *settings: str) -> Schedule:
        """This schedule with further settings and words."""
        return Schedule(f"{self.words}; {words}", (*self.settings, *settings))


def stretched(
    epochs: int,
    *,
    images: int = CIFAR_IMAGES,
    evaluations: int,
    precision: str,
    learning_rate: float = LEARNING_RATE,
) -> Schedule:
    """The paper's shape over `epochs`: the learning rate is divided by 10 at 50 % and 75 %."""
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
    """`epochs` of PART of the training images, for two CPU cores; scored `evaluations` times, or
    after each epoch.
    """
    return stretched(
        epochs,
        images=PART,
        evaluations=evaluations or epochs,
        precision="bf16",
        learning_rate=learning_rate,
    )


def paper() -> Schedule:
    """64,000 steps; the learning rate is divided by 10 at 32,000 and 48,000."""
    words = (
        f"that of He et al. 2016, section 4.2: {PAPER_STEPS:,} steps of {BATCH} images; SGD,"
        " learning rate 0.1, divided by 10 after 32,000 and 48,000 steps, no warm-up; weight decay"
        " 0.0001; crops of padded images and flips"
    )
    return Schedule(words, _settings(PAPER_STEPS, 1000, "auto"))


def warm_up(*, until: float, metric: str) -> tuple[str, ...]:
    """Settings for a learning rate of 0.01 until a score is reached, measured every 400 steps (He
    et al. 2016, section 4.2).
    """
    return (
        "schedule.warmup_factor=0.1",
        f"schedule.warmup_until={until}",
        f"schedule.warmup_metric={metric}",
        *_scored_every(400),
    )


def _settings(steps: int, every: int, precision: str) -> tuple[str, ...]:
    """Settings of a length; the recipe's milestones scale with it."""
    return (f"schedule.steps={steps}", *_scored_every(every), f"run.precision={precision}")


def _scored_every(steps: int) -> tuple[str, ...]:
    """Settings that score, log and save at the same steps."""
    return (f"run.eval_every={steps}", f"run.log_every={steps}", f"run.save_every={steps}")
