"""Choose the number of threads of a process: the user's number, or the number of free cores.

The sums of batch norms and of weights' gradients depend on the number in their last bits. So a
given number never changes, and a resumed run begins with the one it was saved with.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from tasks.cores import (
    ROOT,
    allowed_cpus,
    core_quota,
    nearest,
    read_core_times,
    usable_cores,
    won_cores,
)
from tasks.engine.distributed import World, resolve_device

ThreadsSetting = int | Literal["auto"]
GIVEN = "OMP_NUM_THREADS"
LOOK_SECONDS = 0.3
"""Seconds of watching the cores before a run begins."""
OF_TORCH = torch.get_num_threads()
"""Torch's own or configured number: one thread for each physical core."""


@dataclass(frozen=True)
class ThreadChoice:
    """A number of threads, and why it was chosen."""

    number: int
    reason: str
    limit: int
    """Most threads that `auto` may choose."""
    follows: bool = False
    """Whether training may change it."""

    def __str__(self) -> str:
        threads = "1 thread" if self.number == 1 else f"{self.number} threads"
        return f"{threads}: {self.reason}"


def choose_threads(
    setting: ThreadsSetting, world: World, recorded: int | None = None, system: Path = ROOT
) -> ThreadChoice:
    """The number of threads of this process, the smallest of all ranks'. Collective.

    `recorded` is that of the resumed checkpoint.
    """
    chosen = _choose_here(setting, world, recorded, system)
    number = -world.largest(-chosen.number)
    reason = chosen.reason
    if recorded is not None and recorded != number:
        reason += f"; it was saved with {recorded}, so the last bits may differ from there on"
    return replace(chosen, number=number, reason=reason)


def _choose_here(
    setting: ThreadsSetting, world: World, recorded: int | None, system: Path
) -> ThreadChoice:
    """Choose for this process. Several ranks keep their first number, and a process that computes
    on a GPU is not measured.
    """
    usable = usable_cores(system) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    limit = max(1, min(usable, OF_TORCH))
    if setting != "auto":
        return ThreadChoice(setting, f"run.threads={setting}", limit)
    if os.environ.get(GIVEN):
        return ThreadChoice(OF_TORCH, f"{GIVEN}={os.environ[GIVEN]}", limit)
    on_cpu = world.device.type == "cpu"
    follows = on_cpu and world.size == 1
    if recorded is not None and recorded <= limit:
        return ThreadChoice(recorded, "as the run was saved with", limit, follows)
    reason = describe_cores(system) if limit == usable else f"torch takes {limit} on this machine"
    if not on_cpu:
        return ThreadChoice(limit, reason, limit)
    free = free_cores(limit, system)
    if free is None:
        return ThreadChoice(limit, reason, limit)
    number = min(limit, max(1, nearest(free)))
    return ThreadChoice(number, f"{reason}; {free:.1f} are free", limit, follows)


def use_threads(choice: ThreadChoice) -> None:
    """Let this process compute with this many threads."""
    if torch.get_num_threads() != choice.number:
        torch.set_num_threads(choice.number)


def settle_threads(device: str) -> None:
    """Choose and use a number as run.threads=auto does, for a command without settings."""
    alone = World(0, 0, 1, resolve_device(device, local_rank=0, size=1))
    use_threads(choose_threads("auto", alone))


def describe_cores(system: Path = ROOT) -> str:
    """Describe how many cores the process may use, and what limits them."""
    cores = len(allowed_cpus())
    quota = core_quota(system)
    words = "1 core" if cores == 1 else f"{cores} cores"
    return words if quota is None else f"{words}, of which the container allows {quota:g}"


def free_cores(
    wanted: int,
    system: Path = ROOT,
    wait: Callable[[float], None] = time.sleep,
    cpus: frozenset[int] | None = None,
    win: Callable[[int, float], int] = won_cores,
) -> float | None:
    """Count the idle ones of the allowed cores for a moment. If they are fewer than wanted, count
    the cores that make way for us. None if the system does not tell.

    No file tells whether other processes make way, by priority, session or control group.
    """
    before = read_core_times(system, cpus)
    wait(LOOK_SECONDS)
    after = read_core_times(system, cpus)
    if before is None or after is None:
        return None
    idle = after.idle_since(before)
    if idle is None or nearest(idle) >= wanted:
        return idle
    return max(idle, float(win(wanted, LOOK_SECONDS)))


@contextmanager
def one_thread() -> Iterator[None]:
    """Context in which torch uses one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
