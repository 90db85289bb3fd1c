"""The training loop.  It reads downwards; what depends on time is a function of the number of
finished steps.
"""

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import Checkpoints, Progress
from tasks.engine.checkpoint_files import BEST, LAST
from tasks.engine.distributed import World, micro_batch_size
from tasks.engine.log import RunLog
from tasks.engine.loss_meter import Stopwatch, Window
from tasks.engine.optim import Ema, build_optimizer, peak_lr
from tasks.engine.precision import Precision
from tasks.engine.schedule import is_due, lr_factor
from tasks.engine.settings import OptimConfig, RunConfig, ScheduleConfig
from tasks.engine.step import (
    FOR_A_STEP,
    FOR_SCORING,
    Batches,
    Feed,
    RunningStatistics,
    explain_out_of_memory,
    set_lr,
    train_step,
)
from tasks.engine.stop import StopRequest, resume_command

Evaluate = Callable[[nn.Module, int], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """What the loop needs of a task's settings; `batch_size` is data.batch_size, the images of all
    ranks together.
    """

    optim: OptimConfig
    schedule: ScheduleConfig
    run: RunConfig
    batch_size: int


@dataclass(frozen=True)
class _Parts:
    """What is trained, scored and saved."""

    model: nn.Module
    ema: Ema | None
    optimizer: torch.optim.Optimizer
    checkpoints: Checkpoints
    log: RunLog
    world: World


def fit(
    model: nn.Module,
    objective: nn.Module,
    batches: Batches,
    config: FitConfig,
    checkpoints: Checkpoints,
    log: RunLog,
    world: World,
    precision: Precision,
    *,
    evaluate: Evaluate,
    name_image: Callable[[int], str] = str,
) -> dict[str, float]:
    """Train `model` from its last checkpoint, if any, to the last step; the scores of the last
    evaluation.

    `objective(batch)` gives named losses, each the mean over the images of the micro-batch, and
    contains `model`. `evaluate(model, step)` is called on every rank with the model to score (the
    moving average where there is one), in eval mode and without gradients, and the number of
    finished steps; it gives every rank the same scores. `name_image` turns an image id into words
    for reports. A resumed run ends with the weights of an uninterrupted one, bit for bit (sums over
    three or more ranks aside). SIGTERM and SIGINT finish the step, save, print the command that
    resumes and raise SystemExit.
    """
    optim, schedule, run = config.optim, config.schedule, config.run
    optimizer = build_optimizer(model, optim)
    ema = Ema(model, optim.ema_decay) if optim.ema_decay else None
    parts = _Parts(model, ema, optimizer, checkpoints, log, world)
    progress = checkpoints.restore(model, ema, optimizer)
    log.start(progress.step)
    _announce(config, log, world, precision, progress)

    peak = peak_lr(optim, config.batch_size)
    replica = _replicate(objective.train(), world)
    statistics = RunningStatistics(model)
    feed = Feed(batches.start(progress.step), world.device)
    window, stopwatch = Window(progress.window), Stopwatch(feed)
    stopping = False
    with StopRequest(world) as stop:
        while True:
            if stopping and progress.step < schedule.steps:
                _leave(parts, progress, stop)
            if (
                is_due(progress.step, run.eval_every, schedule.steps)
                and progress.evaluated < progress.step
            ):
                with (
                    stopwatch.paused(),
                    explain_out_of_memory(
                        f"the evaluation after step {progress.step}", FOR_SCORING
                    ),
                ):
                    progress = _score(parts, progress, evaluate, run.best_metric)
                objective.train()
                stopping = stop.agreed()
                continue
            if progress.step == schedule.steps:
                return progress.scores

            lr = peak * lr_factor(progress.step, schedule)
            set_lr(optimizer, lr)
            with explain_out_of_memory(f"step {progress.step + 1}", FOR_A_STEP):
                result = train_step(
                    replica,
                    feed,
                    optim.accumulate,
                    optimizer,
                    statistics,
                    optim.clip_norm,
                    precision,
                )
            if ema is not None:
                ema.update(model, progress.step)
            progress = replace(progress, step=progress.step + 1)
            window.add(progress.step, result)
            stopwatch.steps += 1
            log.advance()

            if is_due(progress.step, run.log_every, schedule.steps):
                _report(parts, window, stopwatch, progress.step, config, lr, name_image)
            names = _files_due(progress.step, run, schedule.steps)
            stopping = stop.agreed()
            if names or stopping:
                with stopwatch.paused():
                    progress = _save(parts, progress, window, names or (LAST,), name_image)


def _announce(
    config: FitConfig, log: RunLog, world: World, precision: Precision, progress: Progress
) -> None:
    """Print the arithmetic that the user would otherwise have to guess."""
    optim = config.optim
    size = micro_batch_size(config.batch_size, world, optim.accumulate)
    log.note(
        f"{config.batch_size} images a step: {world.size} ranks x {optim.accumulate} micro-batches"
        f" x {size} images, {precision.name} on {world.device}"
    )
    log.note(
        f"peak learning rate {peak_lr(optim, config.batch_size):g} = optim.lr {optim.lr:g} x"
        f" {config.batch_size} / optim.reference_batch {optim.reference_batch}"
    )
    if progress.step:
        log.note(f"resumed after step {progress.step} of {config.schedule.steps}")


def _leave(parts: _Parts, progress: Progress, stop: StopRequest) -> NoReturn:
    """Print how to continue the saved run, and exit."""
    parts.log.note(f"stopped after step {progress.step}; this continues:\n  {_resume_command()}")
    parts.world.barrier()  # torchrun ends the others as soon as one rank has left
    raise SystemExit(stop.exit_code)


def _replicate(objective: nn.Module, world: World) -> nn.Module:
    """The objective, averaging its gradients over ranks where there are several."""
    if world.size == 1:
        return objective
    device_ids = [world.device.index] if world.device.type == "cuda" else None
    with (
        warnings.catch_warnings()
    ):  # newer versions of torch want forward_sync_buffers, which older ones do not have
        warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
        return DistributedDataParallel(objective, device_ids=device_ids, broadcast_buffers=False)


def _report(
    parts: _Parts,
    window: Window,
    stopwatch: Stopwatch,
    step: int,
    config: FitConfig,
    lr: float,
    name_image: Callable[[int], str],
) -> None:
    """Write the log row of a step: means since the last one, and what was masked."""
    _report_masked(parts, window, name_image)
    means = window.means(parts.world)
    speed, seconds_per_step = stopwatch.read(config.batch_size)
    row = means | {"lr": lr} | speed
    if parts.world.device.type == "cuda":
        row["memory_gb"] = torch.cuda.max_memory_allocated(parts.world.device) / 2**30
    parts.log.train(step, row, (config.schedule.steps - step) * seconds_per_step)


def _report_masked(parts: _Parts, window: Window, name_image: Callable[[int], str]) -> None:
    for line in window.masked_steps(parts.world, name_image):
        parts.log.note(line)


def _files_due(step: int, run: RunConfig, steps: int) -> tuple[str, ...]:
    """Names of the checkpoints to write after a step; the last one is also written before every
    evaluation.
    """
    numbered = (f"step_{step}.pt",) if run.keep_every and step % run.keep_every == 0 else ()
    saved = is_due(step, run.save_every, steps) or is_due(step, run.eval_every, steps)
    return (LAST, *numbered) if saved or numbered else ()


def _save(
    parts: _Parts,
    progress: Progress,
    window: Window,
    names: tuple[str, ...],
    name_image: Callable[[int], str],
) -> Progress:
    """Save the state after a step, once masked steps are reported; every rank leaves when the files
    are there.
    """
    _report_masked(parts, window, name_image)
    progress = replace(progress, window=window.totals(parts.world))
    _write(parts, progress, names)
    return progress


def _write(parts: _Parts, progress: Progress, names: tuple[str, ...]) -> None:
    if parts.world.is_main:
        parts.checkpoints.save(names, progress, parts.model, parts.ema, parts.optimizer)
        parts.log.flush()
    parts.world.barrier()


def _score(parts: _Parts, progress: Progress, evaluate: Evaluate, best_metric: str) -> Progress:
    """Evaluate, log the scores and save them; the best checkpoint is replaced by a better one, and
    NaN never is.
    """
    scored, weights = (parts.model, "model") if parts.ema is None else (parts.ema.model, "ema")
    parts.world.share_buffers(scored)
    with torch.no_grad():
        scores = dict(evaluate(scored.eval(), progress.step))
    if best_metric not in scores:
        saved = (
            f"the state after step {progress.step} is saved and run.resume=auto continues from it"
        )
        raise UserError(
            f"run.best_metric must be one of {', '.join(scores)}, got {best_metric!r}; {saved}"
        )
    value = scores[best_metric]
    better = value > (float("-inf") if progress.best is None else progress.best)
    progress = replace(progress, evaluated=progress.step, scores=scores)
    if better:
        progress = replace(progress, best=value, best_step=progress.step)
    parts.log.write(progress.step, scores | {"weights": weights})
    parts.log.note(_score_line(progress, best_metric, weights, better))
    parts.log.draw()
    _write(parts, progress, (BEST, LAST) if better else (LAST,))
    return progress


def _score_line(progress: Progress, best_metric: str, weights: str, better: bool) -> str:
    """A line with the score that decides, the validation loss where there is one, and whose weights
    were scored.
    """
    shown = [key for key in (best_metric, "val/loss") if key in progress.scores]
    text = "  ".join(f"{key} {progress.scores[key]:.4f}" for key in shown)
    rest = "the best so far" if better else f"the best was at step {progress.best_step}"
    return f"step {progress.step}  {text}  ({weights} weights; {rest})"


def _resume_command() -> str:
    return resume_command(sys.orig_argv, os.environ)
