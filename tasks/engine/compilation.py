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
    """Tell CUDA graphs, where there are any, that a batch begins: what the last one left on the
    device is overwritten from here on.

    Once torch was told so in training, it takes evaluation's batches for one and the same unless it
    is told of those too.
    """
    if REPLAYS.on:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]


def check_cuda_graphs(config: TaskSettings, world: World) -> None:
    """Raise UserError if run.cuda_graphs is asked for and cannot be had."""
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
    """Have torch.compile translate modules in place, anew for each shape of their inputs.

    Names of weights stay as they are; a copy of the model is not compiled. After torch's limit of
    shapes, which a coarser padding of images keeps low, the others run as written.
    `graphs` has a GPU replay them as CUDA graphs: what a batch leaves on the device is then to be
    used before the next one begins.
    """
    mode = "reduce-overhead" if graphs else None
    REPLAYS.on = REPLAYS.on or graphs
    for part in parts:
        part.compile(backend=backend, dynamic=False, mode=mode)
