"""Pure functions of the step and the finished evaluations, for everything that depends on time or
scores.

Resuming needs no scheduler state: a checkpoint keeps the evaluations.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from resnet_backbones.errors import UserError
from tasks.engine.settings import ScheduleConfig


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation."""

    step: int
    """Optimiser steps of its weights."""
    scores: Mapping[str, float]
    """Flat names to numbers; per-class scores only if they decide something."""


History = Sequence[Evaluation]
"""The finished evaluations of a run, in order."""


def lr_factor(step: int, history: History, config: ScheduleConfig, metric: str) -> float:
    """Compute the factor in (0, 1] on the peak learning rate after `step` finished steps.

    Warm-up rises linearly from `warmup_factor` to 1; a short run needs it as much as a long one, so
    its length does not scale with `steps`, but is at most a third of them. Milestones are stated
    for `reference_steps` and scale with `steps`; `step` decays by `gamma` at each of them, `cosine`
    is half a cosine over all steps, or over those after the warm-up, `poly` a power of the share of
    steps that are left, as mmengine's PolyLR, and `plateau` decays by `gamma` each time `metric`
    did not rise in `plateau_evaluations` evaluations. With `warmup_until` the warm-up is a constant
    that a score ends.
    """
    if config.warmup_until is None:
        warm_up = _warm_up(step, config)
    else:
        warm_up = _warm_up_by_score(history, config, config.warmup_metric or metric)
    if config.name == "cosine":
        return warm_up * _cosine(step, config)
    if config.name == "poly":
        return warm_up * _poly(step, config)
    if config.name == "plateau":
        return warm_up * _plateau_decay(history, config, metric)
    return warm_up * _step_decay(step, config)


def evaluations_without_rise(history: History, metric: str) -> int:
    """Count the evaluations since the first one with the highest score; nan does not count as a
    score.
    """
    count = 0
    for risen in _rises(history, metric):
        count = 0 if risen else count + 1
    return count


def is_due(step: int, every: int, total: int) -> bool:
    """Whether something done every `every` steps, and at the end, is due after `step` finished
    ones; 0 is end only.
    """
    return step > 0 and (step == total or (every > 0 and step % every == 0))


def in_steps(config: ScheduleConfig, epoch_length: int) -> ScheduleConfig:
    """Turn `epochs` into steps, `epoch_length` for each; other schedules stay."""
    if config.epochs is None:
        return config
    steps = round(config.epochs * epoch_length)
    if steps < 1:
        rule = f"schedule.epochs must make at least one step, where an epoch has {epoch_length}"
        raise UserError(f"{rule}, got {config.epochs}")
    return replace(config, steps=steps, epochs=None)


def _rises(history: History, metric: str) -> Iterator[bool]:
    """Whether each evaluation that has a score of `metric` is better than all before it."""
    best = -math.inf
    for evaluation in history:
        if metric not in evaluation.scores:  # a resume may have changed which one counts
            continue
        score = evaluation.scores[metric]
        yield score > best
        best = max(best, score) if score == score else best


def _warm_up(step: int, config: ScheduleConfig) -> float:
    warmup_steps = _warm_up_steps(config)
    if step >= warmup_steps:
        return 1.0
    return config.warmup_factor + (1 - config.warmup_factor) * step / warmup_steps


def _warm_up_steps(config: ScheduleConfig) -> float:
    return min(config.warmup_steps, config.steps / 3)


def _warm_up_by_score(history: History, config: ScheduleConfig, metric: str) -> float:
    """Return the constant factor until an evaluation is good enough."""
    until = config.warmup_until
    assert until is not None
    for evaluation in history:
        if evaluation.scores.get(metric, -math.inf) >= until:
            return 1.0
    return config.warmup_factor


def _step_decay(step: int, config: ScheduleConfig) -> float:
    position = step * config.reference_steps
    passed = sum(position >= milestone * config.steps for milestone in config.milestones)
    return float(config.gamma**passed)


def _cosine(step: int, config: ScheduleConfig) -> float:
    first = _warm_up_steps(config) if config.decay_after_warmup else 0.0
    position = max(0.0, step - first) / (config.steps - first)
    return 0.5 * (1 + math.cos(math.pi * position))


def _poly(step: int, config: ScheduleConfig) -> float:
    left = max(0.0, 1 - step / config.steps)
    return config.last_factor + (1 - config.last_factor) * float(left**config.power)


def _plateau_decay(history: History, config: ScheduleConfig, metric: str) -> float:
    drops = 0
    waiting = 0
    for risen in _rises(history, metric):
        waiting = 0 if risen else waiting + 1
        if waiting == config.plateau_evaluations:
            drops += 1
            waiting = 0
    return float(config.gamma**drops)
