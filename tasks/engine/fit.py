"""The training loop. It reads downwards. Everything that depends on time or scores is a function of
the number of finished steps and of the finished evaluations.
"""

import os
import sys
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tasks.engine.batches import Batches, Feed, StepBatches, gather_positions, position_of
from tasks.engine.commands import resume_command
from tasks.engine.distributed import World, micro_batch_size
from tasks.engine.due import files_due, forget_lost_best, report, save, score
from tasks.engine.loss_meter import LossMeter
from tasks.engine.optim import Ema, build_optimizer, peak_lr
from tasks.engine.progress import Progress
from tasks.engine.randomness import seed_forward
from tasks.engine.run_files import LAST
from tasks.engine.schedule import is_due, lr_factor
from tasks.engine.speed_meter import SpeedMeter
from tasks.engine.step import (
    Arithmetic,
    RunningStatistics,
    StepResult,
    explain_out_of_memory,
    set_lr,
    train_step,
)
from tasks.engine.stop import StopRequest, Wish
from tasks.engine.thread_follower import ThreadFollower
from tasks.engine.training import (
    UNKNOWN_STEPS,
    Evaluate,
    State,
    Training,
    evaluation_is_due,
    patience_is_over,
    total_steps,
)
from tasks.engine.wish import Stopped

TIMED_STEPS = 30
"""Steps of a process after which schedule.minutes is turned into steps."""


def fit(training: Training, batches: Batches, evaluate: Evaluate) -> dict[str, float]:
    """Train from the resumed checkpoint, if any, to the last step; return the last evaluation's
    scores.

    `evaluate` is called on every rank with the model to score (the moving average if there is one),
    in eval mode and without gradients, and returns the same scores on every rank. A resumed run
    ends with the weights of an uninterrupted one, bit for bit, while the number of threads stays
    (sums over three or more ranks aside). SIGTERM, SIGINT and SIGHUP finish the step, save, print
    the command that resumes and raise SystemExit; SIGUSR1 finishes the step, saves and continues. A
    stop does not wait for a late batch, nor for an evaluation: the resumed run makes it.
    """
    config, log = training.config, training.log
    state, feed, progress = _begin(training, batches)
    replica = _replicate(training.objective.train(), training.world)
    stopping = False
    with StopRequest(training.world, config.run.stop_within) as stop:
        stop.farewell = partial(_farewell, training, progress)
        while True:
            total = total_steps(config, progress)
            if stopping:
                _leave(training, progress, stop)
            if progress.step >= total:
                log.end_training()
            if evaluation_is_due(progress, config.run, total):
                try:
                    with state.speed.paused():
                        progress = score(training, state, progress, evaluate, total)
                except Stopped:  # the scored state was saved before
                    _leave(training, progress, stop)
                training.objective.train()
                stopping = stop.agreed() is Wish.STOP
                continue
            if progress.step >= total or patience_is_over(progress, config.run):
                _say_if_early(training, progress, total)
                return progress.scores

            position = position_of(batches)
            try:
                result, lr = _step(training, state, replica, feed, progress)
            except Stopped:  # while waiting for a batch
                progress = _save(training, state, progress, (LAST,), position)
                _leave(training, progress, stop)
            progress = replace(progress, step=progress.step + 1)
            _count(training, state, progress, result)
            _follow_cores(training, state, progress.step)
            progress = _fix_length(training, state, progress)
            total = total_steps(config, progress)
            if is_due(progress.step, config.run.log_every, total):
                report(training, state, progress.step, total, lr)
            wish = stop.agreed()
            stopping = wish is Wish.STOP
            names = files_due(progress.step, config.run, total)
            if names or wish is not Wish.NOTHING:
                names = names or (LAST,)
                with state.speed.paused():
                    progress = _save(training, state, progress, names, position_of(batches))
                stop.farewell = partial(_farewell, training, progress)


def _begin(training: Training, batches: Batches) -> tuple[State, Feed, Progress]:
    """Restore the run's state, or initialise it, and print what is about to happen."""
    model = training.model
    optim = training.config.optim
    optimizer = build_optimizer(model, optim)
    ema = Ema(model, optim.ema_decay, optim.ema_every) if optim.ema_decay else None
    progress = forget_lost_best(training, training.checkpoints.restore(model, ema, optimizer))
    total = total_steps(training.config, progress)
    training.log.start(progress.step, None if total == UNKNOWN_STEPS else total)
    _announce(training, progress)
    feed = Feed(batches.start(progress.step), training.world)
    state = State(
        optimizer=optimizer,
        ema=ema,
        statistics=RunningStatistics(model),
        losses=LossMeter(progress.window),
        speed=SpeedMeter(feed),
        threads=ThreadFollower(training.threads) if training.threads.follows else None,
    )
    return state, feed, progress


def _announce(training: Training, progress: Progress) -> None:
    """Print the arithmetic that the user would otherwise have to guess."""
    config = training.config
    world = training.world
    optim = config.optim
    size = micro_batch_size(config.batch_size, world.size, optim.accumulate)
    training.log.note(
        f"{config.batch_size} images a step: {world.size} ranks x {optim.accumulate} micro-batches"
        f" x {size} images, {training.precision.name} on {world.device}"
    )
    training.log.note(
        f"peak learning rate {peak_lr(optim, config.batch_size):g} = optim.lr {optim.lr:g} x"
        f" {config.batch_size} / optim.reference_batch {optim.reference_batch}"
    )
    if progress.step:
        total = total_steps(config, progress)
        of = f" of {total}" if total < UNKNOWN_STEPS else ""
        training.log.note(f"resumed after step {progress.step}{of}")


def _step(
    training: Training, state: State, replica: nn.Module, feed: Feed, progress: Progress
) -> tuple[StepResult, float]:
    """Take one step; return its result on the device, and its learning rate."""
    config = training.config
    step = progress.step
    schedule = replace(config.schedule, steps=total_steps(config, progress))
    factor = lr_factor(step, progress.history, schedule, config.run.best_metric)
    lr = peak_lr(config.optim, config.batch_size) * factor
    set_lr(state.optimizer, lr)
    with explain_out_of_memory(f"step {step + 1}", config.STEP_MEMORY):
        taken = feed.take(config.optim.accumulate)
        return take_step(training, state, replica, taken, step), lr


def take_step(
    training: Training, state: State, replica: nn.Module, taken: StepBatches, step: int
) -> StepResult:
    """Take the step after `step` finished ones at the set learning rate; return its result on the
    device.
    """
    config = training.config
    arithmetic = Arithmetic(
        device=training.world.device,
        precision=training.precision,
        clip_norm=config.optim.clip_norm,
    )

    def seed(micro_batch: int) -> None:
        seed_forward(config.run.seed, step, micro_batch, training.world.rank)

    result = train_step(replica, taken, state.optimizer, state.statistics, arithmetic, seed)
    if state.ema is not None:
        state.ema.update(training.model, step)
    return result


def _count(training: Training, state: State, progress: Progress, result: StepResult) -> None:
    """Add a finished step to the sums for the log."""
    state.losses.add(progress.step, result)
    state.speed.count()
    training.log.advance()
    if state.speed.counted == 1:
        training.log.note(f"first step after {state.speed.elapsed():.1f} s")


def _follow_cores(training: Training, state: State, step: int) -> None:
    """Change the number of threads, and say so, if more or fewer cores became free."""
    line = None if state.threads is None else state.threads.look()
    if line is not None:
        training.log.note(f"step {step}: {line}")
        training.log.write(step, {"threads": torch.get_num_threads()})


def _fix_length(training: Training, state: State, progress: Progress) -> Progress:
    """Turn schedule.minutes into steps once enough of them were timed; rank 0's clock decides."""
    minutes = training.config.schedule.minutes
    if minutes is None or progress.total_steps or state.speed.counted < TIMED_STEPS:
        return progress
    left = 60 * minutes - state.speed.elapsed()
    steps = progress.step + max(1, round(left / state.speed.seconds_per_step()))
    total: int = training.world.broadcast(steps)
    training.log.set_total(total)
    training.log.note(f"schedule.minutes={minutes:g} are {total} steps on this machine")
    return replace(progress, total_steps=total)


def _say_if_early(training: Training, progress: Progress, total: int) -> None:
    if progress.step < total:
        run = training.config.run
        training.log.end_training()
        training.log.note(
            f"stopped early after step {progress.step} of {total}: no better {run.best_metric} in"
            f" run.patience={run.patience} evaluations, the best was at step {progress.best_step}"
        )


def _save(
    training: Training, state: State, progress: Progress, names: tuple[str, ...], position: Any
) -> Progress:
    """Save after the finished steps, with this rank's position in its batches; nothing before the
    first step.
    """
    if progress.step == 0:
        return progress
    progress = replace(progress, positions=gather_positions(position, training.world))
    return save(training, state, progress, names)


def _leave(training: Training, progress: Progress, stop: StopRequest) -> NoReturn:
    """Print how to continue the saved run, draw its curves, and exit."""
    command = resume_command(sys.orig_argv, os.environ)
    training.log.note(f"stopped after step {progress.step}; this continues:\n  {command}")
    training.log.draw()
    training.world.barrier()  # torchrun ends the others as soon as one rank has left
    raise SystemExit(stop.exit_code)


def _farewell(training: Training, saved: Progress) -> str:
    """Write the message for a run that did not stop in time and is ended."""
    world = training.world
    who = "" if world.size == 1 else f"rank {world.rank} of {world.size}: "
    seconds = f"run.stop_within={training.config.run.stop_within:g} seconds"
    kept = f"from {LAST} of step {saved.step}" if saved.step else "nothing was saved yet, and"
    command = resume_command(sys.orig_argv, os.environ)
    lost = f"not stopped within {seconds}, so everything after the last save is lost"
    return f"{who}{lost}; {kept} this continues:\n  {command}"


def _replicate(objective: nn.Module, world: World) -> nn.Module:
    """Wrap in DDP when there are several ranks."""
    if world.size == 1:
        return objective
    device_ids = [world.device.index] if world.device.type == "cuda" else None
    with warnings.catch_warnings():
        # newer versions of torch want forward_sync_buffers, which older ones do not have
        warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
        return DistributedDataParallel(objective, device_ids=device_ids, broadcast_buffers=False)
