"""The processes of a run as a value: made once from torchrun's environment and passed in."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from resnet_backbones.errors import UserError, as_line

OBJECT_TIMEOUT = timedelta(hours=12)  # rank 0 may score for long while the others wait


@dataclass(frozen=True)
class World:
    """One process among `size`; objects travel over gloo, so that waiting for them never times a
    GPU collective out.
    """

    rank: int
    local_rank: int
    size: int
    device: torch.device
    object_group: Any = field(default=None, repr=False, compare=False)
    """The gloo process group; None for one process."""

    @classmethod
    def create(cls, device: str) -> "World":
        """The world that torchrun's environment describes, or a single process without it.

        `device` is `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`; each rank takes
        the GPU of its local rank. UserError for a device that does not exist.
        """
        rank = int(os.environ.get("RANK", "0"))
        size = int(os.environ.get("WORLD_SIZE", "1"))
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        chosen = resolve_device(device, local_rank, size)
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        if size == 1:
            return cls(rank, local_rank, size, chosen)
        if chosen.type == "cuda":
            dist.init_process_group("nccl", device_id=chosen)
        else:
            dist.init_process_group("gloo")
        object_group = dist.new_group(backend="gloo", timeout=OBJECT_TIMEOUT)
        return cls(rank, local_rank, size, chosen, object_group)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def gather(self, value: object) -> list[Any] | None:
        """Every rank's picklable value, by rank, on rank 0; None elsewhere."""
        if self.size == 1:
            return [value]
        values: list[Any] | None = [None] * self.size if self.is_main else None
        dist.gather_object(value, values, dst=0, group=self.object_group)
        return values

    def broadcast(self, value: Any) -> Any:
        """Rank 0's picklable value on every rank."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.object_group)
        return values[0]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; every rank gets the same answer."""
        return bool(self.largest(int(flag)))

    def largest(self, value: int) -> int:
        """The largest of the ranks' values; every rank gets the same answer."""
        if self.size == 1:
            return value
        values = torch.tensor([value])
        dist.all_reduce(values, op=dist.ReduceOp.MAX, group=self.object_group)
        return int(values.item())

    def share_buffers(self, module: nn.Module) -> None:
        """Give every rank rank 0's buffers: batch norm statistics follow each rank's own images."""
        if self.size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def barrier(self) -> None:
        """Wait for every rank."""
        if self.size > 1:
            dist.barrier(group=self.object_group)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over the ranks of some numbers, on every rank. Does not involve the device."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=self.object_group)
        return sums.tolist()

    @contextmanager
    def sharing_errors(self) -> Iterator[None]:
        """Context that ends on every rank with the first error of any that a user can mend, as a
        UserError.

        Ranks must not communicate in it. A rank that failed alone would leave the others waiting
        for it. Any other error is a fault of ours: it ends its own rank with its traceback, and
        the launcher ends the others.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            if as_line(error) is None:
                raise
            failure = error
        self.raise_first(failure)

    def raise_first(self, failure: Exception | None) -> None:
        """Raise the first failure of any rank, as a UserError, on every rank. Collective."""
        line = None if failure is None else as_line(failure)
        lines = self.gather(line)
        shared = self.broadcast(next(filter(None, lines or []), None))
        if shared:
            raise UserError(shared) from failure

    def close(self) -> None:
        """Leave the process group; the last call of a run."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


def resolve_device(name: str, local_rank: int, size: int) -> torch.device:
    """The torch device that a rank uses for the setting run.device; UserError names what
    there is.
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
    """Images per rank and micro-batch for the global data.batch_size; UserError when they do not
    come out even.
    """
    parts = ranks * accumulate
    if batch_size % parts:
        rule = "data.batch_size is global and must divide by"
        divisor = f"{ranks} ranks x optim.accumulate={accumulate}"
        nearest = max(1, batch_size // parts) * parts
        raise UserError(f"{rule} {divisor}, got {batch_size}; try {nearest}")
    return batch_size // parts
