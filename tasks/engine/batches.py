"""The engine's view of a task's batches, and the stream of batches for training."""

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
    """The engine's view of a micro-batch: stacked tensors that move together."""

    @property
    def image_ids(self) -> Tensor:
        """(B,) int64, on the CPU until `to` is called."""

    @property
    def weight(self) -> float:
        """The number that the batch's losses were divided by: its images, say, or its valid pixels;
        may be 0.

        Known before the batch leaves the host. A step's losses are means over the weights of all
        ranks and micro-batches.
        """

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """The same for losses that were divided by another number, by name; every batch of a task
        has the same names."""

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        """The batch on a device."""

    def pin_memory(self) -> Self:
        """The batch in page-locked memory."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class TensorBatch:
    """A `Batch` whose fields are tensors, or tuples of tensors; row i is image i. A task derives
    its own.

    Losses are means over images; a task that divides them by something else replaces `weight`.
    """

    if TYPE_CHECKING:  # a task declares it with its other fields
        image_ids: Tensor

    @property
    def weight(self) -> float:
        """The number of images."""
        return float(len(self))

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Empty: all losses were divided by `weight`."""
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
    """Change a field's tensor, or each tensor of a tuple."""
    return tuple(map(change, value)) if isinstance(value, tuple) else change(value)


class Batches(Protocol):
    """An endless training set: what it yields depends on the step and the rank only."""

    @property
    def epoch_length(self) -> int:
        """Steps after which every image was seen at least once."""

    def start(self, step: int) -> Iterator[Batch]:
        """This rank's micro-batches from an optimiser step on, M for each step."""


@runtime_checkable
class Positioned(Protocol):
    """Batches that are read one after the other, so that the step does not give their position.

    Their positions are saved with a checkpoint, and a resumed run's `Launch` hands them back.
    """

    def position(self) -> Any:
        """The position after this rank's last taken batch, in JSON's types."""


def position_of(batches: Batches) -> Any:
    """Return the position of this rank's batches; None if they have none."""
    return batches.position() if isinstance(batches, Positioned) else None


def gather_positions(position: Any, world: World) -> list[Any] | None:
    """Gather the position of every rank's batches on rank 0; None elsewhere, or if they have none.
    Collective.
    """
    return None if position is None else world.gather(position)


@dataclass(frozen=True)
class LossShares:
    """Factors on the losses of a micro-batch, which make them parts of means over a whole step."""

    usual: float
    named: Mapping[str, float] = field(default_factory=dict)
    """Factors of losses that have weights of their own."""

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
    """One for each; for a loss they sum to 1 in the mean over ranks."""


class Feed:
    """The stream of micro-batches; `seconds_waited` counts how long the loader was waited for."""

    def __init__(self, stream: Iterator[Batch], world: World) -> None:
        self.stream = stream
        self.world = world
        self.seconds_waited = 0.0

    def take(self, accumulate: int) -> StepBatches:
        """The next step's micro-batches. Collective: ranks exchange their weights.

        An image that cannot be read on one rank is a UserError on all ranks. Stopped, likewise, if
        a stop was asked for while waiting for a batch.
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
        """Compute the shares of losses that have weights of their own, by micro-batch."""
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
    """Divide this rank's weights by the mean of all ranks' totals."""
    scale = world.size / total if total else 0.0
    return [weight * scale for weight in weights]
