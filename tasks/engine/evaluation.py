"""Scoring a model on one or more data sets, over every rank."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from tasks.engine.allocator import keep_freed_memory
from tasks.engine.batches import Batch
from tasks.engine.compilation import begin_batch
from tasks.engine.distributed import World
from tasks.engine.precision import Precision
from tasks.engine.setting_declarations import require
from tasks.engine.settings import RunConfig
from tasks.engine.threads import choose_threads, use_threads
from tasks.engine.training import Evaluate
from tasks.engine.wish import leave_if_asked
from tasks.errors import few

B = TypeVar("B", bound=Batch)
R = TypeVar("R")


@dataclass(frozen=True)
class LossSums:
    """Losses times their batches' weights, and the sums of those weights, by name."""

    sums: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SetScores:
    """The result on one data set."""

    scores: Mapping[str, float]
    """Names, `group/name` or a plain `name`, to numbers."""
    losses: Mapping[str, float]
    """Mean losses by the objective's names."""


Score = Callable[[nn.Module, int, bool], SetScores]
"""(model, finished steps, whether training may end with it) -> scores. Collective; every rank gets
the same."""


@dataclass(frozen=True)
class Evaluator:
    """How a model is scored on one data set."""

    names: Sequence[str]
    """Names of all its scores, without the losses."""
    score: Score


def evaluate_sets(
    run: RunConfig, available: Mapping[str, Evaluator], warmup_metric: str | None = None
) -> Evaluate:
    """Join the evaluators of run.eval_sets, by the names of the sets, into what `fit` calls.

    UserError for a set without an evaluator, and if none gives run.best_metric or the score that
    ends the warm-up.
    """
    unknown = [name for name in run.eval_sets if name not in available]
    rule = f"run.eval_sets must be among {', '.join(available)} for this task"
    require(not unknown, rule, run.eval_sets)
    evaluators = {name: available[name] for name in run.eval_sets}
    known: list[str] = []
    for name, evaluator in evaluators.items():
        known += named_scores(SetScores(dict.fromkeys(evaluator.names, 0.0), {}), name)
    rule = f"run.best_metric must be one of {few(known)}"
    require(run.best_metric in known, rule, run.best_metric)
    rule = f"schedule.warmup_metric must be null or one of {few(known)}"
    require(warmup_metric in (None, *known), rule, warmup_metric)

    def evaluate(model: nn.Module, step: int, final: bool) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name, evaluator in evaluators.items():
            scores |= named_scores(evaluator.score(model, step, final), name)
        return scores

    return evaluate


def named_scores(found: SetScores, name: str) -> dict[str, float]:
    """Flat scores of a set, `top1` as `<set>/top1`; those of `val` that have a group, `box/AP`,
    keep their names. Losses are `<set>/<loss>`, and their sum `<set>/loss`.

    Details of a score without a group, `iou/cat` of `iou`, stay below it. A loss must not have the
    name of a score.
    """
    scores: dict[str, float] = {}
    for key, value in found.scores.items():
        group = key.partition("/")[0]
        in_a_group = group not in (key, *found.scores)
        scores[key if name == "val" and in_a_group else f"{name}/{key}"] = value
    losses = {f"{name}/{key}": value for key, value in found.losses.items()}
    total = {f"{name}/loss": sum(losses.values())} if losses else {}
    assert not scores.keys() & (losses | total).keys(), "a loss has the name of a score"
    return scores | losses | total


def run_batches(
    batches: Iterable[B],
    world: World,
    compute: Callable[[B], tuple[R, Mapping[str, Tensor]]],
) -> tuple[list[R], LossSums]:
    """Compute this rank's results of every batch, and the sums of its losses. Collective.

    `compute` is called without gradients with a batch on the device. It returns its result and its
    losses, which may be empty; ranks must not communicate in it. A UserError on one rank, such as
    for an unreadable image, is raised on all of them, and so is Stopped. Losses of a batch of
    weight 0 do not count.
    """
    results: list[R] = []
    sums: dict[str, Tensor] = {}
    weights: dict[str, float] = {}
    with world.sharing_errors(), torch.no_grad():
        for on_host in batches:
            leave_if_asked()
            begin_batch()
            batch = on_host.to(world.device, non_blocking=True)
            result, losses = compute(batch)
            results.append(result)
            for name, loss in losses.items():
                weight = on_host.loss_weights.get(name, on_host.weight)
                term = loss.double() * weight
                counted = term if weight else torch.zeros_like(term)  # avoids 0 x NaN
                sums[name] = sums[name] + counted if name in sums else counted
                weights[name] = weights.get(name, 0.0) + weight
    return results, LossSums({name: float(value) for name, value in sums.items()}, weights)


def mean_losses(parts: Sequence[LossSums]) -> dict[str, float]:
    """Divide the losses by the weights of all ranks; empty if none were computed."""
    means: dict[str, float] = {}
    for name in dict.fromkeys(name for part in parts for name in part.sums):
        weight = sum(part.weights.get(name, 0.0) for part in parts)
        total = sum(part.sums.get(name, 0.0) for part in parts)
        means[name] = total / weight if weight else float("nan")
    return means


def score_together(
    world: World,
    results: R,
    losses: LossSums,
    score: Callable[[list[R], dict[str, float]], SetScores],
) -> SetScores:
    """Call `score` on rank 0 with every rank's results and the mean losses, and return its result
    on every rank. Collective.

    Uses gloo, as scoring may take longer than a GPU collective's time limit.
    """
    gathered = world.gather((results, losses))
    found = SetScores({}, {})
    if gathered is not None:
        means = mean_losses([part for _, part in gathered])
        found = score([part for part, _ in gathered], means)
    shared: SetScores = world.broadcast(found)
    return shared


def mean_over_ranks(sums: LossSums, world: World) -> dict[str, float]:
    """Return `mean_losses` of every rank's sums, on every rank. Collective."""
    parts = world.gather(sums)
    means: dict[str, float] = world.broadcast(mean_losses(parts or []))
    return means


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Context of evaluation mode without gradients; it restores every module's mode at its end.

    Not inference mode: tensors that the model caches in it could not be used in training later.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def scoring_process(run: RunConfig) -> Iterator[tuple[World, Precision]]:
    """Context of the world and the arithmetic of a process, with or without torchrun, that scores a
    saved model.
    """
    keep_freed_memory()
    world = World.create(run.device)
    try:
        use_threads(choose_threads(run.threads, world))
        yield world, Precision.agreed(run.precision, world)
    finally:
        world.close()
