"""Scoring a model on one or more data sets, over every rank."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from tasks.engine.allocator import keep_freed_memory
from tasks.engine.batches import Batch
from tasks.engine.compilation import begin_batch
from tasks.engine.distributed import World
from tasks.engine.precision import Precision
from tasks.engine.settings import RunConfig, require
from tasks.engine.training import Evaluate
from tasks.errors import few

B = TypeVar("B", bound=Batch)
R = TypeVar("R")


@dataclass(frozen=True)
class LossSums:
    """Losses times the weights of their batches, and the sum of the weights."""

    sums: dict[str, float] = field(default_factory=dict)
    weight: float = 0.0


@dataclass(frozen=True)
class SetScores:
    """What one data set gave."""

    scores: Mapping[str, float]
    """Names, `group/name` or a plain `name`, to numbers."""
    losses: Mapping[str, float]
    """Mean losses by the names that the objective gives them."""


class Evaluator(Protocol):
    """Scores a model on one data set. Collective; every rank gets the same scores."""

    def __call__(self, model: nn.Module, step: int, final: bool) -> SetScores:
        """Score after `step` steps; `final` where no more training follows."""


def evaluate_sets(evaluators: Mapping[str, Evaluator]) -> Evaluate:
    """Join the evaluators of several data sets, by the names of the sets, into what `fit` calls."""

    def evaluate(model: nn.Module, step: int, final: bool) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name, evaluator in evaluators.items():
            scores |= named_scores(evaluator(model, step, final), name)
        return scores

    return evaluate


def named_scores(found: SetScores, name: str) -> dict[str, float]:
    """Flat scores of a set, `top1` as `<set>/top1`; those of `val` that have a group, `box/AP`,
    keep their names. Losses are `<set>/<loss>`, and their sum `<set>/loss`.
    """
    scores = {
        key if name == "val" and "/" in key else f"{name}/{key}": value
        for key, value in found.scores.items()
    }
    losses = {f"{name}/{key}": value for key, value in found.losses.items()}
    total = {f"{name}/loss": sum(losses.values())} if losses else {}
    return scores | losses | total


def check_best_metric(run: RunConfig, names: Iterable[str]) -> None:
    """Raise UserError where no evaluation will give run.best_metric; `names` are those of a set's
    scores, as its evaluator gives them.
    """
    scores = SetScores(dict.fromkeys(names, 0.0), {})
    known = [name for which in run.eval_sets for name in named_scores(scores, which)]
    rule = f"run.best_metric must be one of {few(known)}"
    require(run.best_metric in known, rule, run.best_metric)


def run_batches(
    batches: Iterable[B],
    device: torch.device,
    compute: Callable[[B], tuple[R, Mapping[str, Tensor]]],
) -> tuple[list[R], LossSums]:
    """This rank's results of every batch, and the sums of its losses.

    `compute` is called without gradients with a batch on the device, and gives its result and its
    losses, which may be none.
    """
    results: list[R] = []
    sums: dict[str, Tensor] = {}
    weight = 0.0
    with torch.no_grad():
        for on_host in batches:
            begin_batch()
            batch = on_host.to(device, non_blocking=True)
            result, losses = compute(batch)
            results.append(result)
            for name, loss in losses.items():
                term = loss.double() * on_host.weight
                sums[name] = sums[name] + term if name in sums else term
            weight += on_host.weight
    return results, LossSums({name: float(value) for name, value in sums.items()}, weight)


def mean_losses(parts: Sequence[LossSums]) -> dict[str, float]:
    """Losses over the weights of all ranks; nothing where none were computed."""
    weight = sum(part.weight for part in parts)
    names = dict.fromkeys(name for part in parts for name in part.sums)
    if not weight:
        return dict.fromkeys(names, float("nan"))
    return {name: sum(part.sums.get(name, 0.0) for part in parts) / weight for name in names}


def mean_over_ranks(sums: LossSums, world: World) -> dict[str, float]:
    """`mean_losses` of every rank's sums, on every rank. Collective."""
    parts = world.gather(sums)
    means: dict[str, float] = world.broadcast(mean_losses(parts or []))
    return means


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is back in the mode it had.

    Not inference mode: what the model caches in it, such as anchors, could not take part in
    training later.
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
    """The world and the arithmetic of a process, or of one of torchrun's, that scores a saved
    model.
    """
    keep_freed_memory()
    world = World.create(run.device)
    try:
        yield world, Precision.agreed(run.precision, world)
    finally:
        world.close()
