"""Check the disk space for a run's checkpoints before it begins."""

from pathlib import Path

from torch import nn

from tasks.engine.checkpoint import Checkpoint
from tasks.engine.settings import OptimConfig
from tasks.files import check_writable

MOMENTS = {"sgd": 1, "adamw": 2, "lamb": 2, "nadamw": 2}
"""Number of tensors that an optimiser keeps for each parameter."""


def check_room(
    folder: Path, model: nn.Module, optim: OptimConfig, resumed: Checkpoint | None
) -> None:
    """Raise UserError if a run's folder is not writable, or has no room for two last checkpoints,
    as the next one is written beside it, and the best one. Numbered ones do not count.
    """
    if resumed is not None and resumed.path.parent == folder:  # the others exist already
        needed = resumed.path.stat().st_size
    else:
        needed = 2 * _bytes_of_last(model, optim) + _bytes_of_best(model, optim)
    check_writable(folder, needed, "checkpoints")


def _bytes_of_last(model: nn.Module, optim: OptimConfig) -> int:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    moments = MOMENTS[optim.name] if optim.name != "sgd" or optim.momentum else 0
    kept = sum(parameter.numel() * parameter.element_size() for parameter in trained)
    return _bytes_of_best(model, optim) + moments * kept


def _bytes_of_best(model: nn.Module, optim: OptimConfig) -> int:
    sizes = [tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()]
    copies = 1 if optim.ema_decay is None else 2
    return copies * int(sum(sizes))
