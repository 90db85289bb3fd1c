"""Recognise and name checkpoint content that training never writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from resnet_backbones.errors import UserError
from tasks.errors import few

MAKERS = {
    "pytorch-lightning_version": "Lightning",
    "matching_heuristics": "detectron2",
    "__author__": "detectron2",
    "train_args": "Ultralytics",
    "message_hub": "MMEngine",
    "optimizer_states": "Lightning",
    "lr_scheduler": "torchvision's training scripts",
}
"""Entries by which the checkpoints of other programs are recognised."""


def other_format(content: Mapping[Any, Any]) -> tuple[str, str]:
    """Describe a file of another format, and the way out."""
    if "format" in content and "progress" in content:
        return f"format {content['format']!r}", "update the toolkit"
    entries = few([repr(key) for key in content], 5) or "nothing"
    makers = [maker for key, maker in MAKERS.items() if key in content]
    what = f"a checkpoint of {makers[0]}" if makers else "a file"
    return f"{what} with {entries}", "model.weights takes weights"


def refuse_odd_weights(weights: object, group: str, path: Path) -> None:
    """Raise UserError for anything but a state dict of finite values."""
    rule = f"the {group} in {path} must be tensors by name"
    if not isinstance(weights, dict):
        raise UserError(f"{rule}, got {type(weights).__name__}")
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(f"{rule}, got {type(value).__name__} under {name!r}")
        if value.layout is not torch.strided:
            raise UserError(f"{rule}, got a sparse one under {name!r}")
    _refuse_infinite(weights, path)


def refuse_odd_optimizer(state: object, path: Path) -> None:
    """Raise UserError for anything that is not an optimiser's state."""
    values = state if isinstance(state, dict) else {}
    groups = values.get("param_groups")
    fits = isinstance(values.get("state"), dict) and isinstance(groups, list)
    if not fits or not all(isinstance(group, dict) for group in groups or []):
        rule = f"the optimizer in {path} must hold state and param_groups"
        raise UserError(f"{rule}, got {str(state)[:60]}; use another checkpoint")


def _refuse_infinite(weights: Mapping[str, Tensor], path: Path) -> None:
    bad = [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]
    if bad:
        rule = f"{path} must hold finite weights"
        seen = f"{len(bad)} of {len(weights)} tensors are not: {few(bad, 3)}"
        way_out = "use an earlier checkpoint, or train again with a lower optim.lr"
        raise UserError(f"{rule}, but {seen}; {way_out}")


def restore_optimizer(
    optimizer: torch.optim.Optimizer, state: Mapping[str, Any], path: Path
) -> None:
    """Load an optimiser's state; UserError, naming the file, if it belongs to other parameters.

    The hyperparameters stay those of the settings, which a resumed run keeps; the learning rate is
    the file's, so that a run with no step left saves what it read.
    """
    own = [_hyperparameters(group) for group in optimizer.param_groups]
    rule = f"{path} must hold the state of this run's optimiser"
    try:
        optimizer.load_state_dict(tree_map(_copied, dict(state)))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise UserError(f"{rule}, but it does not fit: {error}") from error
    for group, values in zip(optimizer.param_groups, own, strict=True):
        group.update(values)
    for parameter, entries in optimizer.state.items():
        if not isinstance(parameter, Tensor) or not isinstance(entries, dict):
            raise UserError(f"{rule}, got {str(entries)[:40]!r} for {str(parameter)[:40]!r}")
        for name, value in entries.items():
            if not _fits(value, parameter):
                shape = tuple(parameter.shape)
                raise UserError(f"{rule}, got {str(value)[:40]!r} as {name} of one of {shape}")


def _hyperparameters(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name not in ("params", "lr")}


def _fits(value: object, parameter: Tensor) -> bool:
    """Whether a value may belong to a parameter: a tensor of its shape, a number or none."""
    if isinstance(value, Tensor):
        return value.dim() == 0 or value.shape == parameter.shape
    return value is None or isinstance(value, int | float)


def _copied(leaf: Any) -> Any:
    """Copy a tensor for an optimiser, which would otherwise use the file's mapped memory."""
    return leaf.clone() if isinstance(leaf, Tensor) else leaf
