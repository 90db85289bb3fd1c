"""Periodic work during training: log lines, checkpoints, evaluations."""

import math
from dataclasses import replace

import torch

from resnet_backbones.errors import UserError
from tasks.engine.progress import Progress, best_so_far, without_details
from tasks.engine.run_files import BEST, LAST
from tasks.engine.schedule import Evaluation, is_due
from tasks.engine.settings import RunConfig, TaskSettings
from tasks.engine.step import explain_out_of_memory
from tasks.engine.training import UNKNOWN_STEPS, Evaluate, State, Training, may_be_the_last
from tasks.written import score_text


def report(training: Training, state: State, step: int, total: int, lr: float) -> None:
    """Write the log row of a step: means since the last row, and masked steps."""
    _report_masked(training, state)
    means = state.losses.means(training.world)
    speed, seconds_per_step = state.speed.read(training.config.batch_size)
    row = means | {"lr": lr} | speed
    device = training.world.device
    if device.type == "cuda":
        row["memory_gb"] = torch.cuda.max_memory_allocated(device) / 2**30
    left = None if total == UNKNOWN_STEPS else (total - step) * seconds_per_step
    training.log.train(step, row, left)


def files_due(step: int, run: RunConfig, total: int) -> tuple[str, ...]:
    """Return the names of the checkpoints to write after a step; last.pt is also written before
    every evaluation.
    """
    numbered = (f"step_{step}.pt",) if run.keep_every and step % run.keep_every == 0 else ()
    saved = is_due(step, run.save_every, total) or is_due(step, run.eval_every, total)
    return (LAST, *numbered) if saved or numbered else ()


def save(training: Training, state: State, progress: Progress, names: tuple[str, ...]) -> Progress:
    """Save the state after a step, once masked steps are reported. All ranks wait for the files."""
    _report_masked(training, state)
    progress = replace(progress, window=state.losses.totals(training.world))
    _write(training, state, progress, names)
    return progress


def score(
    training: Training, state: State, progress: Progress, evaluate: Evaluate, total: int
) -> Progress:
    """Evaluate, log the scores and save them; replace the best checkpoint if the score is better.
    NaN is never better, nor is a score with a non-finite validation loss.
    """
    run = training.config.run
    scored = training.model if state.ema is None else state.ema.model
    final = may_be_the_last(progress, run, total)
    training.world.share_buffers(scored)
    what = f"the evaluation after step {progress.step}"
    with torch.no_grad(), explain_out_of_memory(what, training.config.SCORING_MEMORY):
        scores = dict(evaluate(scored.eval(), progress.step, final))
    progress = _with_scores(progress, scores, training.config)
    better = progress.best_step == progress.step
    weights = "model" if state.ema is None else "ema"
    training.log.learn_names(state.losses.known_names)
    training.log.write(progress.step, scores | {"weights": weights})
    training.log.note(_score_line(progress, run.best_metric, weights, better))
    training.log.draw()
    if better and training.on_best is not None and training.world.is_main:
        training.on_best(scored)  # before the checkpoint records it: a run killed here repeats it
    _write(training, state, progress, (BEST, LAST) if better else (LAST,))
    return progress


def forget_lost_best(training: Training, progress: Progress) -> Progress:
    """Return the progress of a resumed run. It has no best score if the best checkpoint is missing,
    so that the next best one is saved.
    """
    is_there = training.world.broadcast((training.checkpoints.folder / BEST).exists())
    if is_there or progress.best is None:
        return progress
    lost = f"{BEST} of step {progress.best_step} is not in {training.checkpoints.folder}"
    training.log.note(f"warning: {lost}; the best of the following evaluations replaces it")
    return replace(progress, best=None, best_step=0)


def _with_scores(progress: Progress, scores: dict[str, float], config: TaskSettings) -> Progress:
    """Return the progress after an evaluation; per-class scores are kept only if they decide
    something.
    """
    best_metric = config.run.best_metric
    value = scores[best_metric]  # one of its evaluator's names, checked at the start
    deciding = {name: scores[name] for name in config.deciding_scores}
    evaluation = Evaluation(progress.step, without_details(scores) | deciding)
    best = best_so_far(progress, best_metric)
    progress = replace(
        progress,
        evaluated=progress.step,
        scores=scores,
        history=(*progress.history, evaluation),
        best=best,
        best_metric=best_metric,
    )
    sound = math.isfinite(scores.get("val/loss", 0.0))
    if sound and value > (float("-inf") if best is None else best):
        progress = replace(progress, best=value, best_step=progress.step)
    return progress


def _score_line(progress: Progress, best_metric: str, weights: str, better: bool) -> str:
    """Write a line with the deciding score, the validation loss if there is one, and the scored
    weights.
    """
    text = f"{best_metric} {score_text(progress.scores[best_metric])}"
    if "val/loss" in progress.scores:
        text += f"  val/loss {progress.scores['val/loss']:.4f}"
    rest = "the best so far" if better else f"the best was at step {progress.best_step}"
    return f"step {progress.step}  {text}  ({weights} weights; {rest})"


def _report_masked(training: Training, state: State) -> None:
    """Report the masked steps; UserError on every rank if too many were consecutive."""
    for line in state.losses.masked_steps(training.world, training.name_image):
        training.log.note(line)
    optim = training.config.optim
    in_a_row = state.losses.masked_in_a_row
    if in_a_row >= optim.max_skipped:
        training.log.flush()
        raise UserError(
            f"fewer than optim.max_skipped={optim.max_skipped} updates in a row must be left out,"
            f" got {in_a_row} with non-finite gradients; lower optim.lr={optim.lr:g}, correct"
            " the images named above, or start from other weights"
        )


def _write(training: Training, state: State, progress: Progress, names: tuple[str, ...]) -> None:
    if training.world.is_main:
        folder = training.checkpoints.folder
        if not folder.is_dir():  # a new folder would lack the run's other files
            rule = f"run.output_dir={folder} must be there as long as the run"
            raise UserError(f"{rule}, but it has vanished; bring it back, and resume")
        try:
            training.checkpoints.save(names, progress, training.model, state.ema, state.optimizer)
        except UserError as error:
            if not (folder / LAST).exists():
                raise
            way_out = "run.resume=auto continues from it once that is corrected"
            raise UserError(f"{error}; the existing {LAST} is intact, and {way_out}") from error
        training.log.flush()
    training.world.barrier()
