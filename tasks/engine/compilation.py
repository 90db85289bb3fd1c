"""torch.compile and CUDA graphs for parts of a model."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from resnet_backbones.errors import UserError
from tasks.engine.distributed import World
from tasks.engine.settings import TaskSettings


@dataclass
class Replays:
    """Whether parts of this process's models are replayed as CUDA graphs."""

    on: bool = False


REPLAYS = Replays()


def begin_batch() -> None:
    """Tell CUDA graphs, if they are used, that a batch begins: results of the last one on the
    device are overwritten from here on.

    Once used in training, it must be called for evaluation's batches too: torch would take them for
    one batch.
    """
    if REPLAYS.on:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]


def check_cuda_graphs(config: TaskSettings, world: World) -> None:
    """Raise UserError if run.cuda_graphs is set and cannot be used."""
    if not config.run.cuda_graphs:
        return
    if world.device.type != "cuda":
        raise UserError(f"run.cuda_graphs=true needs a GPU, got {world.device}; leave it out")
    if config.optim.accumulate > 1:  # gradients of one micro-batch would be overwritten by the next
        rule = "run.cuda_graphs=true needs optim.accumulate=1"
        raise UserError(f"{rule}, got {config.optim.accumulate}; leave one of them out")


def compile_parts(
    parts: Iterable[nn.Module], backend: str = "inductor", *, graphs: bool = False
) -> None:
    """Compile modules in place with torch.compile, once for each shape of their inputs.

    Names of weights stay as they are; a copy of the model is not compiled. Shapes beyond torch's
    limit run uncompiled; coarser padding of images keeps their number low. `graphs` replays them on
    a GPU as CUDA graphs: results of a batch on the device must then be used before the next batch
    begins.
    """
    mode = "reduce-overhead" if graphs else None
    REPLAYS.on = REPLAYS.on or graphs
    for part in parts:
        part.compile(backend=backend, dynamic=False, mode=mode)
