"""One optimiser step without a device-to-host synchronisation, and its result for the log.

M micro-batches a step and rank, B images each, L named losses.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from resnet_backbones.errors import UserError
from tasks.engine.batches import Batch, LossShares, StepBatches
from tasks.engine.compilation import begin_batch
from tasks.engine.optim import takes_mask
from tasks.engine.precision import Precision


@dataclass(frozen=True)
class StepResult:
    """A step's result on the device, read when the log is due."""

    names: tuple[str, ...]
    """Names of `values`: the L losses, their sum and the gradient norm before clipping."""
    values: Tensor
    """(L + 2,) fp32."""
    masked: Tensor
    """() fp32: 1 if a gradient was not finite and the update was left out, otherwise 0."""
    finite: Tensor
    """(M,) bool: whether the loss of each micro-batch of this rank was finite."""
    image_ids: tuple[Tensor, ...]
    """M tensors (B,) int64 on the host."""


@dataclass(frozen=True)
class Arithmetic:
    """How a step is computed."""

    device: torch.device
    precision: Precision
    clip_norm: float | None = None


class RunningStatistics:
    """The statistics of the batch norms in training; a step with a masked update must not change
    them.
    """

    def __init__(self, model: nn.Module) -> None:
        norms = [
            part
            for part in model.modules()
            if isinstance(part, _BatchNorm) and part.track_running_stats
        ]
        self.current = [
            norm.get_buffer(name) for norm in norms for name in ("running_mean", "running_var")
        ]
        self.kept = [torch.clone(buffer) for buffer in self.current]

    def keep(self) -> None:
        """Remember the statistics as they are."""
        if self.current:
            torch._foreach_copy_(self.kept, self.current)

    def restore_where(self, masked: Tensor) -> None:
        """Restore the remembered ones if `masked` is 1; does not synchronise."""
        for current, kept in zip(self.current, self.kept, strict=True):
            current.copy_(torch.where(masked > 0, kept, current))


def train_step(
    objective: nn.Module,
    step_batches: StepBatches,
    optimizer: torch.optim.Optimizer,
    statistics: RunningStatistics,
    arithmetic: Arithmetic,
    seeds: Callable[[int], None],
) -> StepResult:
    """Add up the gradients of M micro-batches, average them over ranks, clip them, and update if
    they are finite.

    `seeds(micro_batch)` seeds torch's generators before each forward pass.
    """
    statistics.keep()
    parts: list[Tensor] = []
    last = len(step_batches.batches) - 1
    pairs = zip(step_batches.batches, step_batches.shares, strict=True)
    for index, (batch, share) in enumerate(pairs):
        seeds(index)
        on_device = batch.to(arithmetic.device, non_blocking=True)
        with _gradients_stay_local(objective, index < last):
            losses = _backward(objective, on_device, share, arithmetic)
        parts.append(torch.stack([loss.detach().float() for loss in losses.values()]))  # (L,)
    stacked = torch.stack(parts)  # (M, L)
    norm, masked = _update(optimizer, arithmetic.clip_norm)
    statistics.restore_where(masked)
    sums = stacked.sum(dim=0)  # (L,)
    row = torch.cat([sums, sums.sum()[None], norm[None]])
    names = (*(f"loss/{name}" for name in losses), "loss", "grad_norm")
    image_ids = tuple(batch.image_ids for batch in step_batches.batches)
    return StepResult(names, row, masked, stacked.sum(dim=1).isfinite(), image_ids)


def _backward(
    objective: nn.Module, batch: Batch, share: LossShares, arithmetic: Arithmetic
) -> dict[str, Tensor]:
    """Add the gradient of a micro-batch's part of the step's loss; return its parts of the named
    losses.
    """
    begin_batch()
    with arithmetic.precision.autocast():
        losses: dict[str, Tensor] = objective(batch)
    parts = {name: loss * share.of(name) for name, loss in losses.items()}
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    return parts


def _gradients_stay_local(objective: nn.Module, local: bool) -> AbstractContextManager[None]:
    """Context in which DDP does not average gradients over ranks, for all but the last micro-batch
    of a step.
    """
    if local and isinstance(objective, DistributedDataParallel):
        return objective.no_sync()
    return contextlib.nullcontext()


@torch.no_grad()
def _update(optimizer: torch.optim.Optimizer, clip_norm: float | None) -> tuple[Tensor, Tensor]:
    """Clip and apply the gradients; return the norm before clipping () and 1 if it was not finite,
    otherwise 0 ().

    The fused optimisers take `found_inf` as a tensor and change nothing if it is 1. The others must
    not be called then, so for them the host waits for the flag.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if clip_norm is not None:
        torch._foreach_mul_(gradients, (clip_norm / (norm + 1e-6)).clamp(max=1.0))
    masked = (~norm.isfinite()).float()
    if takes_mask(optimizer):
        optimizer.found_inf = masked  # type: ignore[attr-defined]
        optimizer.step()
    elif not masked:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm, masked


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group the learning rate of the coming step."""
    for group in optimizer.param_groups:
        group["lr"] = lr


@contextlib.contextmanager
def explain_out_of_memory(what: str, way_out: str) -> Iterator[None]:
    """Context that turns running out of memory in `what` into a UserError with the settings to
    change.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(
            error
        ):
            raise
        raise UserError(f"{what} must fit into memory, but did not: {way_out} ({error})") from error


def mean_rows(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Average each key over dicts with the same keys."""
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
