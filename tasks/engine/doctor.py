"""Find what limits the speed of a training: time each stage by itself, without training."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn, TypeVar

import torch

from resnet_backbones.errors import UserError
from tasks.cores import usable_cores
from tasks.engine.batches import Batches, Feed, StepBatches
from tasks.engine.diagnosis import Diagnosis, Timing
from tasks.engine.fit import take_step
from tasks.engine.launch import Launch, launch
from tasks.engine.loading import in_this_process
from tasks.engine.loss_meter import LossMeter
from tasks.engine.optim import Ema, build_optimizer
from tasks.engine.rank_environment import ranks_of
from tasks.engine.settings import TaskSettings
from tasks.engine.speed_meter import SpeedMeter
from tasks.engine.step import RunningStatistics, explain_out_of_memory, set_lr
from tasks.engine.threads import describe_cores, free_cores
from tasks.engine.training import Evaluate, State, Training
from tasks.stages import in_order, timing_stages

Config = TypeVar("Config", bound=TaskSettings)
WARM_STEPS = 3
"""First steps of the model, which are slower than the others and not timed."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on the timing of each stage."""

    batches: int = 100
    """Most batches."""
    seconds: float = 20.0
    """No batch begins after this time, once `least` were timed."""
    least: int = 3

    def reached(self, batches: int, seconds: float) -> bool:
        """Whether this many batches and seconds are enough."""
        return batches >= self.batches or (batches >= self.least and seconds >= self.seconds)


def diagnose(
    config: Config,
    run: Callable[[Config, Launch[Config]], dict[str, float]],
    limits: Limits | None = None,
) -> Diagnosis:
    """Time a task's stages: its `run` goes as far as training, but does not train.

    Nothing is written but to a temporary folder, and run.output_dir is not looked at. UserError for
    several ranks.
    """
    ranks = ranks_of(os.environ).size
    if ranks > 1:
        share = max(1, config.batch_size // ranks)
        way_out = f"leave torchrun out, and set data.batch_size={share}, one rank's share"
        raise UserError(f"--doctor times one process, got {ranks} ranks; {way_out}")
    with tempfile.TemporaryDirectory() as folder:
        unkept = replace(config.run, output_dir=folder, resume="never", samples=0)
        try:
            launch(replace(config, run=unkept), run, loop=partial(_examine, limits or Limits()))
        except _Examined as end:
            return end.diagnosis
    raise AssertionError("a task's run must call launch.fit")


class _Examined(Exception):  # noqa: N818  # no error: it leaves a task's run before training
    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__()
        self.diagnosis = diagnosis


def _examine(limits: Limits, training: Training, batches: Batches, _: Evaluate) -> NoReturn:
    raise _Examined(examine(training, batches, limits))


def examine(training: Training, batches: Batches, limits: Limits) -> Diagnosis:
    """Time the stages of training in this process and in memory only; weights are not changed."""
    note = training.log.note
    note(f"timing up to {limits.batches} batches of each stage, {limits.seconds:g} s each")
    machine = _describe_machine(training)
    note("loading in one process")
    loading = _load_here(training, batches, limits)
    loader = loading.timing
    if loading.workers:
        note(f"loading with data.workers={loading.workers}")
        loader = _load_with_workers(training, batches, limits, loading)
    note("copying, and the model")
    copy, model = _train(training, loading.batch, limits)
    return Diagnosis(
        images=training.config.batch_size,
        device=training.world.device.type,
        machine=machine,
        cores=usable_cores(),
        stages=loading.stages,
        alone=loading.timing,
        workers=loading.workers,
        loader=loader,
        copy=copy,
        model=model,
    )


@dataclass(frozen=True)
class _Loading:
    """Loading in this process."""

    batch: StepBatches
    """The first batch."""
    timing: Timing
    stages: dict[str, float]
    """Seconds a batch."""
    workers: int | None


def _load_here(training: Training, batches: Batches, limits: Limits) -> _Loading:
    accumulate = training.config.optim.accumulate
    with in_this_process() as loaders:
        feed = Feed(batches.start(0), training.world)
        batch = feed.take(accumulate)  # slower than the others
        with timing_stages() as seconds:
            timing = _time(lambda: feed.take(accumulate), training, limits)
    stages = {name: seconds[name] / timing.batches for name in in_order(seconds)}
    return _Loading(batch, timing, stages, loaders.workers)


def _load_with_workers(
    training: Training, batches: Batches, limits: Limits, before: _Loading
) -> Timing:
    """Time the loader as it is configured, on images that were not read before."""
    assert before.workers is not None
    accumulate = training.config.optim.accumulate
    feed = Feed(batches.start(1 + before.timing.batches), training.world)
    for _ in range(-(-before.workers // accumulate)):  # until each worker has made a batch
        feed.take(accumulate)
    return _time(lambda: feed.take(accumulate), training, limits)


def _train(training: Training, batch: StepBatches, limits: Limits) -> tuple[Timing, Timing]:
    """Time copies to the device, and steps on a copied batch at a learning rate of zero."""
    device = training.world.device
    optim = training.config.optim
    replica = training.objective.train()
    optimizer = build_optimizer(training.model, optim)
    set_lr(optimizer, 0.0)
    state = State(
        optimizer=optimizer,
        ema=Ema(training.model, optim.ema_decay) if optim.ema_decay else None,
        statistics=RunningStatistics(training.model),
        losses=LossMeter({}),
        speed=SpeedMeter(Feed(iter(()), training.world)),
    )

    def copy() -> StepBatches:
        copies = [part.to(device, non_blocking=True) for part in batch.batches]
        return StepBatches(tuple(copies), batch.shares)

    with explain_out_of_memory("a step", training.config.STEP_MEMORY):
        copying = _time(copy, training, limits)
        there = copy()
        step = partial(take_step, training, state, replica, there, 0)
        for _ in range(WARM_STEPS):
            step()
        return copying, _time(step, training, limits)


def _time(call: Callable[[], object], training: Training, limits: Limits) -> Timing:
    """Measure the mean time of a call, including the device's work."""
    _wait_for(training.world.device)
    started = time.perf_counter()
    calls = 0
    while not limits.reached(calls, time.perf_counter() - started):
        call()
        calls += 1
    _wait_for(training.world.device)
    return Timing((time.perf_counter() - started) / calls, calls)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _describe_machine(training: Training) -> dict[str, str]:
    """Describe cores, threads and arithmetic, and why they were chosen."""
    free = free_cores(usable_cores())
    seen = "" if free is None else f"; {free:.1f} are free"
    precision = training.precision
    return {
        "cores": f"{describe_cores()}{seen}",
        "threads": str(training.threads),
        "precision": f"{precision.name}: {precision.reason}",
    }
