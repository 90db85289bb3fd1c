"""What the engine knows of a task's batches, and the stream of them that training takes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from resnet_backbones.errors import as_line
from tasks.engine.distributed import World
from tasks.engine.wish import Stopped


class Batch(Protocol):
    """What the engine knows of a micro-batch: stacked tensors that move together."""

    @property
    def image_ids(self) -> Tensor:
        """(B,) int64, on the CPU until `to` is called."""

    @property
    def weight(self) -> float:
        """What the batch's losses were divided by: its images, say, or its valid pixels; 0 where
        there are none.

        Known before the batch leaves the host. A step's losses are means over the weights of all
        ranks and micro-batches.
        """

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """The same of losses that were divided by something else, by their names: those of a task,
        in every batch."""

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        """The batch on a device."""

    def pin_memory(self) -> Self:
        """The batch in page-locked memory."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class TensorBatch:
    """A `Batch` whose fields are tensors, of which row i is image i, or tuples of such; a task
    derives its own.

    Losses are means over images; a task that divides them by something else replaces `weight`.
    """

    if TYPE_CHECKING:  # a task declares it, with its other fields
        image_ids: Tensor

    @property
    def weight(self) -> float:
        """The number of images."""
        return float(len(self))

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """None: all losses were divided by `weight`."""
        return {}

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        """The batch on a device."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The batch in page-locked memory, from which copies to a GPU do not block."""
        return self._with(lambda tensor: tensor.pin_memory())

    def __len__(self) -> int:
        return len(self.image_ids)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*(_changed(getattr(self, item.name), change) for item in fields(self)))


def _changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A field's tensor changed, or each of its tensors."""
    return tuple(map(change, value)) if isinstance(value, tuple) else change(value)


class Batches(Protocol):
    """An endless training set: what it yields depends on the step and the rank only."""

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""

    def start(self, step: int) -> Iterator[Batch]:
        """This rank's micro-batches from an optimiser step on, M for each step."""


@runtime_checkable
class Positioned(Protocol):
    """Batches that are read one after the other, so that a step does not say where its own begin.

    Their positions are saved with a checkpoint, and a resumed run's `Launch` hands them back.
    """

    def position(self) -> Any:
        """Where this rank's batches end that were taken so far, in JSON's types."""


def position_of(batches: Batches) -> Any:
    """The position of this rank's batches; None if they have none."""
    return batches.position() if isinstance(batches, Positioned) else None


def gather_positions(position: Any, world: World) -> list[Any] | None:
    """The position of every rank's batches; None if they have none, and on other ranks than the
    first. Collective.
    """
    return None if position is None else world.gather(position)


@dataclass(frozen=True)
class LossShares:
    """Factors on the losses of a micro-batch, which make them parts of means over a whole step."""

    usual: float
    named: Mapping[str, float] = field(default_factory=dict)
    """Of losses that have weights of their own."""

    def of(self, name: str) -> float:
        """The factor on a loss."""
        return self.named.get(name, self.usual)


@dataclass(frozen=True)
class StepBatches:
    """The M micro-batches of a step on this rank, on the host, with the share that each has in the
    step's loss.
    """

    batches: tuple[Batch, ...]
    shares: tuple[LossShares, ...]
    """Of each; the mean over ranks of a loss's sum over these is 1."""


class Feed:
    """The stream of micro-batches; `seconds_waited` counts how long the loader was waited for."""

    def __init__(self, stream: Iterator[Batch], world: World) -> None:
        self.stream = stream
        self.world = world
        self.seconds_waited = 0.0

    def take(self, accumulate: int) -> StepBatches:
        """The next step's micro-batches. Collective: ranks exchange their weights.

        An image that cannot be read on any rank is a UserError on all of them, and so is Stopped a
        stop that was asked for while a batch was waited for.
        """
        batches: list[Batch] = []
        failure: Exception | None = None
        started = time.perf_counter()
        try:
            for _ in range(accumulate):
                batches.append(next(self.stream))
        except Exception as error:
            if as_line(error) is None and not isinstance(error, Stopped):
                raise
            failure = error
        self.seconds_waited += time.perf_counter() - started
        weights = [batch.weight for batch in batches]
        total, failures = self.world.sum((sum(weights), float(failure is not None)))
        if failures:
            self.world.raise_first(failure)
        usual = _shares(weights, total, self.world)
        named = self._named_shares(batches)
        return StepBatches(tuple(batches), tuple(map(LossShares, usual, named)))

    def _named_shares(self, batches: Sequence[Batch]) -> list[dict[str, float]]:
        """The shares of losses that have weights of their own, by micro-batch."""
        names = list(batches[0].loss_weights)  # the same on every rank
        if not names:
            return [{} for _ in batches]
        weights = [[batch.loss_weights[name] for batch in batches] for name in names]
        totals = self.world.sum(tuple(map(sum, weights)))
        columns = [
            _shares(own, total, self.world) for own, total in zip(weights, totals, strict=True)
        ]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _shares(weights: Sequence[float], total: float, world: World) -> list[float]:
    """What this rank's weights are of all ranks' mean."""
    scale = world.size / total if total else 0.0
    return [weight * scale for weight in weights]
