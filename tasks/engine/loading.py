"""Read batches ahead with workers, from plans, and deal them to ranks.

A plan says which images make a batch and how each is prepared, before any is read. It is a pure
function of the step, so restarts and the number of workers and ranks change nothing.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from resnet_backbones.errors import UserError, as_line
from tasks.engine.distributed import World, micro_batch_size
from tasks.engine.settings import TIMEOUT
from tasks.engine.waiting import (
    end_with_a_lost_batch,
    look_every,
    patiently,
    refuse_unfit,
)


class Plan(Protocol):
    """The plan of a global batch, whose images have an order."""

    def part(self, start: int, stop: int) -> Self:
        """Return the plan of some of the images, with the padding of all."""


class CountedPlan(Plan, Protocol):
    """A plan that knows how many images it has."""

    def __len__(self) -> int:
        """Images."""


P = TypeVar("P", bound=Plan)
P_co = TypeVar("P_co", bound=Plan, covariant=True)
C = TypeVar("C", bound=CountedPlan)
B = TypeVar("B")


@dataclass(frozen=True, kw_only=True)
class Share:
    """A rank's part of every global batch."""

    rank: int = 0
    ranks: int = 1
    accumulate: int = 1
    """Micro-batches a step and rank."""
    seed: int = 0
    """Seed; every random choice follows from it, the step and the image."""
    pin_memory: bool = False
    """Whether batches are in page-locked memory, from which copies to a GPU do not block."""

    @classmethod
    def of(cls, world: World, *, accumulate: int = 1, seed: int = 0) -> "Share":
        """The share of a process."""
        on_gpu = world.device.type == "cuda"
        return cls(
            rank=world.rank,
            ranks=world.size,
            accumulate=accumulate,
            seed=seed,
            pin_memory=on_gpu,
        )

    def micro_batch(self, batch_size: int) -> int:
        """Images of a micro-batch; UserError if data.batch_size does not divide."""
        return micro_batch_size(batch_size, self.ranks, self.accumulate)


@dataclass
class InThisProcess:
    """Loading without workers, whatever the settings say."""

    workers: int | None = None
    """Workers that the last loader was configured with; None if no loader was used."""


_without_workers: InThisProcess | None = None


@contextmanager
def in_this_process() -> Iterator[InThisProcess]:
    """Context in which loaders start without workers."""
    global _without_workers
    outer = _without_workers
    _without_workers = InThisProcess()
    try:
        yield _without_workers
    finally:
        _without_workers = outer


@dataclass(frozen=True)
class Loader(Generic[P, B]):
    """How plans become batches."""

    load: Callable[[P], B]
    """Called in workers. It must be picklable; a UserError from it ends training with one line."""
    workers: int
    share: Share = field(default_factory=Share)
    timeout: float = TIMEOUT
    """Seconds to wait for a batch of the workers."""

    def batches(self, plans: Iterable[P]) -> Iterator[B]:
        """Yield the batches of the plans in order, read ahead by the workers.

        The first UserError of a worker is raised here; any other error keeps its traceback. A batch
        that does not come in time is a UserError too.
        """
        workers = _allowed(self.workers)
        loader: DataLoader[Any] = DataLoader(
            _Loading(self.load),
            sampler=plans,  # a plan is the index of a batch
            batch_size=None,
            num_workers=workers,
            pin_memory=self.share.pin_memory,
            timeout=look_every(workers, self.timeout),
            worker_init_fn=_begin_worker,
            # torch would draw the workers' seeds from the global generator
            generator=torch.Generator(),
        )
        yield from _checked(loader, self.timeout)

    def training(self, plan: Callable[[int], P], step: int, batch_size: int) -> Iterator[B]:
        """Yield a rank's micro-batches from an optimiser step on, endlessly; `plan(step)` plans the
        global batch.
        """
        return self.batches(_parts(plan, step, self.share, self.share.micro_batch(batch_size)))


class StepPlans(Protocol[P_co]):
    """The plan of every step's global batch."""

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""

    def __call__(self, step: int) -> P_co:
        """Plan the batch of a step, over all ranks and micro-batches."""


class PlannedBatches(Generic[P, B]):
    """Endless training batches of one rank, as plans say; an `engine.batches.Batches`."""

    def __init__(self, loader: Loader[P, B], plan: StepPlans[P], batch_size: int) -> None:
        self.loader = loader
        self.plan = plan
        self.batch_size = batch_size
        self.micro_batch = loader.share.micro_batch(batch_size)

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return self.plan.epoch_length

    def start(self, step: int) -> Iterator[B]:
        """This rank's micro-batches from an optimiser step on, without end."""
        return self.loader.training(self.plan, step, self.batch_size)


class DealtBatches(Generic[C, B]):
    """This rank's batches of plans that are dealt to the ranks in turn."""

    def __init__(self, loader: Loader[C, B], plans: Iterable[C]) -> None:
        self.loader = loader
        self.plans = list(plans)[loader.share.rank :: loader.share.ranks]

    def __len__(self) -> int:
        return len(self.plans)

    @property
    def images(self) -> int:
        """Images of all batches of this rank."""
        return sum(map(len, self.plans))

    def __iter__(self) -> Iterator[B]:
        return self.loader.batches(self.plans)


def read_in_turn(
    streams: Sequence[Iterable[B]], workers: int, share: Share, timeout: float = TIMEOUT
) -> Iterator[B]:
    """Yield the next item of each endless stream in turn: one stream for each worker, or one
    without workers. Streams must be picklable; errors are those of `Loader.batches`.
    """
    workers = _allowed(workers)
    loader: DataLoader[Any] = DataLoader(
        _Streaming(streams),
        batch_size=None,
        num_workers=workers,
        pin_memory=share.pin_memory,
        timeout=look_every(workers, timeout),
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),
    )
    yield from _checked(loader, timeout)


def _checked(loader: "DataLoader[Any]", timeout: float) -> Iterator[Any]:
    """Yield a loader's items until it ends or gives a failure, which is raised."""
    for item in patiently(loader, timeout) if loader.num_workers else loader:
        if isinstance(item, _Failure):
            raise UserError(item.message)
        yield item


def _allowed(workers: int) -> int:
    """Return the number of workers; 0 inside `in_this_process`, which records the number."""
    if _without_workers is None:
        return workers
    _without_workers.workers = workers
    return 0


def _parts(plan: Callable[[int], P], step: int, share: Share, size: int) -> Iterator[P]:
    first = share.rank * share.accumulate * size
    while True:
        whole = plan(step)
        for index in range(share.accumulate):
            start = first + index * size
            yield whole.part(start, start + size)
        step += 1


@dataclass(frozen=True)
class _Failure:
    """A UserError on its way out of a worker, without the worker's traceback."""

    message: str


class _Loading(Dataset[Any]):
    """Plans to batches, in a worker."""

    def __init__(self, load: Callable[[Any], Any]) -> None:
        self.load = load

    def __getitem__(self, plan: Any) -> Any:
        try:
            return _fitting(self.load(plan))
        except Exception as error:
            line = as_line(error)
            if line is None:
                raise
            return _Failure(line)


class _Streaming(IterableDataset[Any]):
    """Streams in turn: a worker's own, or all of them in a process without workers."""

    def __init__(self, streams: Sequence[Iterable[Any]]) -> None:
        self.streams = streams

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        own = self.streams if worker is None else [self.streams[worker.id]]
        try:
            for stream in cycle([iter(stream) for stream in own]):
                yield _fitting(next(stream))
        except Exception as error:
            line = as_line(error)
            if line is None:
                raise
            yield _Failure(line)


def _fitting(item: Any) -> Any:
    """Check that a worker's batch fits into shared memory, and return it."""
    worker = get_worker_info()
    if worker is not None:
        refuse_unfit(item, worker.num_workers)
    return item


def _begin_worker(_worker: int) -> None:
    """Prepare a worker: it ignores interrupts, and ends if it cannot hand over a batch.

    Signals are left to the main process, which finishes its step with the workers' remaining
    batches.
    """
    end_with_a_lost_batch()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)  # a fork shares the main process's
    os.setpgrp()  # Ctrl-C and `kill -- -GROUP` reach the main process only
