"""The inputs of the training loop, and the state that it changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from tasks.engine.checkpoint import Checkpoints
from tasks.engine.distributed import World
from tasks.engine.log import RunLog
from tasks.engine.loss_meter import LossMeter
from tasks.engine.optim import Ema
from tasks.engine.precision import Precision
from tasks.engine.progress import Progress
from tasks.engine.schedule import evaluations_without_rise, is_due
from tasks.engine.settings import RunConfig, TaskSettings
from tasks.engine.speed_meter import SpeedMeter
from tasks.engine.step import RunningStatistics
from tasks.engine.thread_follower import ThreadFollower
from tasks.engine.threads import ThreadChoice

Evaluate = Callable[[nn.Module, int, bool], Mapping[str, float]]
"""(model to score, finished steps, whether training may end with it) -> flat names to scores."""

UNKNOWN_STEPS = 1 << 40
"""Length of a run of schedule.minutes before it is known."""


@dataclass(frozen=True)
class Training:
    """The model, and everything that it is trained with."""

    model: nn.Module
    objective: nn.Module
    """`objective(batch)` returns named losses, each divided by the batch's weight, and finite if
    that is 0, as a sum over `max(weight, 1)` is. It contains the model."""
    config: TaskSettings
    checkpoints: Checkpoints
    log: RunLog
    world: World
    precision: Precision
    threads: ThreadChoice
    name_image: Callable[[int], str] = str
    """Describes an image id in reports."""
    on_best: Callable[[nn.Module], None] | None = None
    """Called on rank 0 with the scored model when the best checkpoint was replaced."""


@dataclass(frozen=True)
class State:
    """The state that training changes in place."""

    optimizer: torch.optim.Optimizer
    ema: Ema | None
    statistics: RunningStatistics
    losses: LossMeter
    speed: SpeedMeter
    threads: ThreadFollower | None = None
    """None if the number of threads is fixed."""


def total_steps(config: TaskSettings, progress: Progress) -> int:
    """Length of the run; UNKNOWN_STEPS before schedule.minutes was turned into steps."""
    if config.schedule.minutes is None:
        return config.schedule.steps
    return progress.total_steps or UNKNOWN_STEPS


def evaluation_is_due(progress: Progress, run: RunConfig, total: int) -> bool:
    """Whether the finished steps must be scored and were not yet."""
    return is_due(progress.step, run.eval_every, total) and progress.evaluated < progress.step


def patience_is_over(progress: Progress, run: RunConfig) -> bool:
    """Whether training stops early: `run.patience` evaluations without a better score."""
    if run.patience is None or progress.evaluated < progress.step:
        return False
    return evaluations_without_rise(progress.history, run.best_metric) >= run.patience


def may_be_the_last(progress: Progress, run: RunConfig, total: int) -> bool:
    """Whether training ends with the evaluation of the finished steps if its score is not
    better.
    """
    if progress.step >= total:
        return True
    waiting = evaluations_without_rise(progress.history, run.best_metric)
    return run.patience is not None and waiting + 1 >= run.patience
