"""What depends on time, as pure functions of the number of steps done, so that resuming needs no
scheduler state.
"""

import math

from tasks.engine.settings import ScheduleConfig


def lr_factor(step: int, config: ScheduleConfig) -> float:
    """Factor in (0, 1] on the peak learning rate for the step after `step` finished ones.

    Warm-up rises linearly from `warmup_factor` to 1; a short run needs it no less than a long one,
    so its length does not follow `steps`, but it takes a third of them at most. Milestones are
    stated for `reference_steps` and scale with `steps`; `step` decays by `gamma` at each of them,
    `cosine` is half a cosine over all steps.
    """
    return _warm_up(step, config) * (
        _cosine(step, config) if config.name == "cosine" else _step_decay(step, config)
    )


def _warm_up(step: int, config: ScheduleConfig) -> float:
    warmup_steps = min(config.warmup_steps, config.steps / 3)
    if step >= warmup_steps:
        return 1.0
    return config.warmup_factor + (1 - config.warmup_factor) * step / warmup_steps


def _step_decay(step: int, config: ScheduleConfig) -> float:
    passed = sum(
        step * config.reference_steps >= milestone * config.steps for milestone in config.milestones
    )
    return float(config.gamma**passed)


def _cosine(step: int, config: ScheduleConfig) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / config.steps))


def is_due(step: int, every: int, total: int) -> bool:
    """Whether something done every so many steps, and at the end, is due after `step` finished
    ones; 0 is end only.
    """
    return step > 0 and (step == total or (every > 0 and step % every == 0))
