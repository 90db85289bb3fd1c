"""The processes of a run as a value, made once from torchrun's environment and passed in."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from resnet_backbones.errors import UserError, as_line
from tasks.engine.peers import Peers
from tasks.engine.rank_environment import Ranks, ranks_of
from tasks.engine.wish import Stopped

COLLECTIVE = timedelta(minutes=30)
"""Time limit of a collective. Work of a single rank is waited for before the collective, by
`Peers`.
"""
START = "within 5 minutes of each other"


@dataclass(frozen=True)
class World:
    """One process among `size`. Objects travel over gloo, so waiting for them never times out a GPU
    collective.
    """

    rank: int
    local_rank: int
    size: int
    device: torch.device
    object_group: Any = field(default=None, repr=False, compare=False)
    """The gloo process group; None for one process, or if gloo is the only group."""
    peers: Peers | None = field(default=None, repr=False, compare=False)
    """The other processes and their launcher; None for one process without launcher."""

    @classmethod
    def create(cls, device: str) -> "World":
        """Make the world that the environment of torchrun or srun describes; without them a single
        process.

        `device` is `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`; each rank takes the
        GPU of its local rank. UserError for a device that does not exist, and if not all ranks
        start.
        """
        ranks = ranks_of(os.environ)
        chosen = resolve_device(device, _gpu_of(ranks), ranks.size)
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        if ranks.size == 1 and not ranks.hosted:
            return cls(ranks.rank, ranks.local_rank, ranks.size, chosen)
        if not (ranks.address and ranks.port):
            rule = f"WORLD_SIZE={ranks.size} needs RANK, LOCAL_RANK, MASTER_ADDR and MASTER_PORT"
            raise UserError(f"{rule}, got no MASTER_ADDR or MASTER_PORT; torchrun sets them all")
        object_group = None
        try:
            peers = Peers(ranks)
            if ranks.size > 1:
                object_group = _join(ranks, chosen, peers)
        except RuntimeError as error:
            raise UserError(_not_together(ranks, error)) from error
        return cls(ranks.rank, ranks.local_rank, ranks.size, chosen, object_group, peers)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def gather(self, value: object) -> list[Any] | None:
        """Gather every rank's picklable value, by rank, on rank 0; None elsewhere."""
        if self.size == 1:
            return [value]
        self.meet()
        values: list[Any] | None = [None] * self.size if self.is_main else None
        dist.gather_object(value, values, dst=0, group=self.object_group)
        return values

    def broadcast(self, value: Any) -> Any:
        """Send rank 0's picklable value to every rank."""
        if self.size == 1:
            return value
        self.meet()
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.object_group)
        return values[0]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; every rank gets the same answer."""
        return bool(self.largest(int(flag)))

    def largest(self, value: int) -> int:
        """Return the largest of the ranks' values, on every rank."""
        if self.size == 1:
            return value
        values = torch.tensor([value])
        dist.all_reduce(values, op=dist.ReduceOp.MAX, group=self.object_group)
        return int(values.item())

    def share_buffers(self, module: nn.Module) -> None:
        """Copy rank 0's buffers to every rank, as batch norm statistics follow each rank's own
        images.
        """
        if self.size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def barrier(self) -> None:
        """Wait for every rank."""
        if self.size > 1:
            self.meet()
            dist.barrier(group=self.object_group)

    def meet(self) -> None:
        """Wait until every rank is here, without a time limit, while all of them live."""
        if self.peers is not None:
            self.peers.meet()

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sum numbers over the ranks, on every rank. Does not involve the device."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=self.object_group)
        return sums.tolist()

    @contextmanager
    def sharing_errors(self) -> Iterator[None]:
        """Context that raises the first UserError of any rank on every rank, or Stopped if any rank
        was asked to stop.

        Ranks must not communicate in it. A rank that failed alone would leave the others waiting
        for it. Any other error is our bug: it ends its own rank with its traceback, and the
        launcher ends the others.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            if as_line(error) is None and not isinstance(error, Stopped):
                raise
            failure = error
        self.raise_first(failure)

    def raise_first(self, failure: Exception | None) -> None:
        """Raise the first failure of any rank, as a UserError or Stopped, on every rank.
        Collective.
        """
        own = "" if isinstance(failure, Stopped) else failure and as_line(failure)
        answers = [answer for answer in self.gather(own) or [] if answer is not None]
        shared = self.broadcast(max(answers, default=None))  # any line counts for more than ""
        if shared == "":
            raise Stopped from failure
        if shared:
            raise UserError(shared) from failure

    def close(self) -> None:
        """Leave the process group; the last call of a run."""
        if self.peers is not None:
            self.peers.close()
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


def _join(ranks: Ranks, device: torch.device, peers: Peers) -> Any:
    """Make torch's groups of all ranks; returns the group for objects unless it is the only one."""
    interface = gloo_interface(os.environ.get("NCCL_SOCKET_IFNAME"), socket.if_nameindex())
    if interface is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    if device.type != "cuda":
        dist.init_process_group(
            "gloo",
            timeout=COLLECTIVE,
            store=peers.store,
            rank=ranks.rank,
            world_size=ranks.size,
        )
        return None
    dist.init_process_group(
        "nccl",
        store=peers.store,
        rank=ranks.rank,
        world_size=ranks.size,
        device_id=device,
    )
    return dist.new_group(backend="gloo", timeout=COLLECTIVE)


def _gpu_of(ranks: Ranks) -> int:
    """Return the number of a rank's GPU among those it sees; with srun's --gpus-per-task=1 it sees
    only its own.
    """
    alone = ranks.launcher == "srun" and torch.cuda.device_count() == 1
    return 0 if alone else ranks.local_rank


def gloo_interface(wanted: str | None, present: Sequence[tuple[int, str]]) -> str | None:
    """Return the first network interface in NCCL_SOCKET_IFNAME, for gloo; None if it names none."""
    if wanted is None or wanted.startswith("^"):
        return None
    exact = wanted.startswith("=")
    for name in wanted.lstrip("=").split(","):
        for _, own in present:
            if own == name or (not exact and own.startswith(name)):
                return own
    return None


def _not_together(ranks: Ranks, error: RuntimeError) -> str:
    """Report that not all ranks find each other."""
    rule = f"all {ranks.size} ranks must start {START} and meet at {ranks.address}:{ranks.port}"
    seen = f"rank {ranks.rank}, of {ranks.launcher or 'WORLD_SIZE'}, got: {str(error)[:200]}"
    network = "if a machine has several networks, GLOO_SOCKET_IFNAME selects one"
    alone = "RANK=0 WORLD_SIZE=1 trains as one process"
    return f"{rule}, but {seen}; {network}; {alone}"


def resolve_device(name: str, local_rank: int, size: int) -> torch.device:
    """Return a rank's torch device for the setting run.device; UserError names the available
    ones.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        hint = f"; GPU {name} is cuda:{name}" if name.isdecimal() else ""
        raise UserError(f"run.device must be auto, cpu, cuda or cuda:N, got {name!r}{hint}")
    if kind == "cpu":
        return torch.device("cpu")
    if index and size > 1:
        raise UserError(
            f"run.device must be cuda when {size} processes share the GPUs, got {name!r}"
        )
    number, available = int(index or local_rank), torch.cuda.device_count()
    if number >= available:
        wanted = f"cuda:{number}"
        raise UserError(
            f"run.device needs {wanted}, but torch sees {available} GPUs here; run.device=cpu"
            " always works"
        )
    return torch.device("cuda", number)


def micro_batch_size(batch_size: int, ranks: int, accumulate: int) -> int:
    """Return the images per rank and micro-batch; UserError if the global data.batch_size does not
    divide.
    """
    parts = ranks * accumulate
    if batch_size % parts:
        rule = "data.batch_size is global and must divide by"
        divisor = f"{ranks} ranks x optim.accumulate={accumulate}"
        nearest = max(1, batch_size // parts) * parts
        raise UserError(f"{rule} {divisor}, got {batch_size}; try {nearest}")
    return batch_size // parts
