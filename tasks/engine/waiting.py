"""Wait for batches of a loader's processes, with a time limit and an eye on requests to stop."""

import atexit
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from resnet_backbones.errors import UserError
from tasks.engine.machine import (
    STOPPED,
    Space,
    megabytes,
    memory,
    most_open_files,
    open_files,
    shared_memory,
    state,
)
from tasks.engine.wish import leave_if_asked

LOOK_EVERY = 2.0
"""Seconds between two checks during a wait."""
READ_AHEAD = 2
"""Batches that torch lets each worker make ahead."""
LITTLE_MEMORY = 200e6
TIMED_OUT = "DataLoader timed out"
"""Beginning of torch's error."""
MORE_SHARED_MEMORY = "give the container more, as `docker run --shm-size=8g` does"


class LoaderWarning(UserWarning):
    """Warns of something that may end a loader later."""


def look_every(workers: int, timeout: float) -> float:
    """Return the time-out in seconds for a DataLoader that is read by `patiently`."""
    return min(LOOK_EVERY, timeout) if workers else 0.0


def patiently(loader: "DataLoader[Any]", timeout: float) -> Iterator[Any]:
    """Yield a loader's batches.

    UserError if its workers give nothing for `timeout` seconds, not counting time in which this
    process was suspended; Stopped if a stop is requested meanwhile.
    """
    free = shared_memory()
    before = set(multiprocessing.active_children())
    items = iter(loader)
    workers = [child for child in multiprocessing.active_children() if child not in before]
    first = True
    try:
        while True:
            try:
                item = _next(items, loader.timeout, workers, timeout)
            except StopIteration:
                return
            if first:
                _warn_of_little(item, len(workers), free)
                first = False
            yield item
    finally:
        _continue_stopped(workers)


def refuse_unfit(item: Any, workers: int) -> None:
    """Raise UserError in a worker if its batch does not fit into shared memory: torch would lose
    it, and the main process would wait for it.
    """
    space = shared_memory()
    size = size_of(item)
    if space is not None and size > space.free:
        rule = f"/dev/shm must have room for the batches of data.workers={workers}"
        seen = f"got one of {megabytes(size)} and {space}"
        raise UserError(f"{rule}, {seen}; {MORE_SHARED_MEMORY}, or lower data.workers, or take 0")


def end_with_a_lost_batch() -> None:
    """Make this worker end if a batch cannot be handed over. Otherwise it would print a traceback
    and continue, and the main process would wait for the batch.
    """
    Queue._on_queue_feeder_error = staticmethod(_end_worker)  # type: ignore[attr-defined]


def _end_worker(error: Exception, _batch: object) -> None:
    rule = "a batch must be handed over by the loader's process that made it"
    print(f"{rule}, got: {error}; /dev/shm has {shared_memory()}", file=sys.stderr, flush=True)
    os._exit(1)


def size_of(item: Any) -> int:
    """Count the bytes of the tensors in a batch."""
    if isinstance(item, Tensor):
        return item.nbytes
    if isinstance(item, list | tuple):
        return sum(map(size_of, item))
    if isinstance(item, dict):
        return sum(map(size_of, item.values()))
    if is_dataclass(item):
        return sum(size_of(getattr(item, field.name)) for field in fields(item))
    return 0


def _next(
    items: Iterator[Any], patience: float, workers: Sequence[BaseProcess], limit: float
) -> Any:
    """Return the next item; time in which this process was suspended does not count."""
    waited = 0.0
    while True:
        try:
            return next(items)
        except RuntimeError as error:
            if not str(error).startswith(TIMED_OUT):
                raise
        leave_if_asked()
        waited += patience
        if waited >= limit:
            raise UserError(_why_nothing_comes(workers, limit))


def _why_nothing_comes(workers: Sequence[BaseProcess], limit: float) -> str:
    """Write a line with the most likely cause, and the way out."""
    rule = f"a batch must come from the loader's processes within data.timeout={limit:g} seconds"
    pids = [worker.pid for worker in workers if worker.pid is not None]
    states = {pid: state(pid) for pid in pids}
    stopped = [pid for pid in pids if states[pid] in STOPPED]
    if stopped:
        seen = f"process {stopped[0]} is stopped (state {states[stopped[0]]})"
        way_out = f"`kill -CONT {stopped[0]}` lets it continue; data.workers=0 uses no such process"
        return f"{rule}, but {seen}; {way_out}"
    files = max(map(open_files, pids), default=0)
    most = most_open_files()
    if most is not None and files >= 0.9 * most:
        return f"{rule}, but one has {files} files open of `ulimit -n` {most}; raise that"
    free = shared_memory()
    known = ", ".join(f"{pid} in state {letter or 'ended'}" for pid, letter in states.items())
    seen = f"got none from processes {known}; /dev/shm has {free}, memory {memory()}"
    return f"{rule}, {seen}; {_way_out(free)}"


def _way_out(shared: Space | None) -> str:
    """Advise what to do if batches do not come, by the scarce resource."""
    free = memory()
    if free is not None and free.free < LITTLE_MEMORY:
        return "lower data.workers or data.batch_size, or allow more memory"
    if shared is not None and shared.total < 1e9:
        return f"{MORE_SHARED_MEMORY}, lower data.workers, or take data.workers=0"
    return "if the disk is slow, raise data.timeout; data.workers=0 reads in the main process"


def _warn_of_little(item: Any, workers: int, space: Space | None) -> None:
    """Warn if the batches that are read ahead may not fit into shared memory."""
    size = size_of(item)
    needed = workers * READ_AHEAD * size
    if space is None or needed <= space.free:
        return
    rule = f"/dev/shm should hold {megabytes(needed)} for data.workers={workers}"
    seen = f"{READ_AHEAD} batches of {megabytes(size)} for each, and has {space}"
    way_out = f"{MORE_SHARED_MEMORY}, or lower data.workers"
    warnings.warn(f"{rule}, {seen}; {way_out}", LoaderWarning, stacklevel=2)


def _continue_stopped(workers: Iterable[BaseProcess]) -> None:
    """Continue stopped workers, as torch asks its workers to end and waits for them."""
    for worker in workers:
        if worker.pid is not None and state(worker.pid) in STOPPED:
            os.kill(worker.pid, signal.SIGCONT)


def _kill_unanswering() -> None:
    """Kill workers that do not end when asked, as Python waits for them at exit."""
    workers = [child for child in multiprocessing.active_children() if child.daemon]
    stuck = [child for child in workers if child.pid and state(child.pid) in (*STOPPED, "D")]
    if stuck:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would raise
    for worker in stuck:
        worker.kill()


atexit.register(_kill_unanswering)  # runs before multiprocessing's own, registered earlier
