"""Start a detector from another one that was trained on other classes.  K classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from resnet_backbones.errors import UserError
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.labels import LabelMap

_CLASSES = ("box_head.classes.weight", "box_head.classes.bias")
_OFFSETS = ("box_head.offsets.weight", "box_head.offsets.bias")


@dataclass(frozen=True)
class TransferReport:
    """What a detector took over from another."""

    loaded: int
    """Tensors that were loaded whole."""
    kept: tuple[str, ...]
    """Classes whose rows of the predictors were taken over."""
    new: tuple[str, ...]
    """Classes that start anew."""

    def __str__(self) -> str:
        kept = (
            f"{len(self.kept)} classes keep their predictor ({_few(self.kept)})"
            if self.kept
            else "no class is kept"
        )
        new = f"{len(self.new)} start anew ({_few(self.new)})" if self.new else "none starts anew"
        return f"detector weights: {self.loaded} tensors loaded; {kept}; {new}"


def transfer(
    model: FasterRCNN, state: Mapping[str, Tensor], old: LabelMap, new: LabelMap
) -> TransferReport:
    """Load everything but the predictors, and of those the rows of classes that have the same name
    in both label maps.

    Raises UserError listing the tensors of another shape, and those that are missing.
    """
    own = model.state_dict()
    predictors = (*_CLASSES, *_OFFSETS)
    wanted = [
        name for name in own if name not in predictors and not name.endswith("num_batches_tracked")
    ]
    wrong = [
        f"{name}: {_shape(state.get(name))}, needs {_shape(own[name])}"
        for name in wanted
        if _shape(state.get(name)) != _shape(own[name])
    ]
    if wrong:
        raise UserError(
            f"model.weights is a detector of another architecture, {len(wrong)} tensors do not fit:"
            f" {_few(wrong)}; set model.backbone, model.norm, model.pyramid_channels and model.roi"
            " to what it was trained with"
        )
    rows = [
        (old.names.index(name), label) for label, name in enumerate(new.names) if name in old.names
    ]
    merged = {name: state[name] for name in wanted} | {
        name: own[name].clone() for name in predictors
    }
    for name in _CLASSES:
        _copy_rows(
            merged[name], state[name], [*rows, (old.num_classes, new.num_classes)]
        )  # background is last
    for name in _OFFSETS:
        shape = (-1, 4, *own[name].shape[1:])
        _copy_rows(merged[name].view(shape), state[name].view(shape), rows)
    model.load_state_dict(merged, strict=False)
    kept = tuple(new.names[label] for _, label in rows)
    return TransferReport(len(wanted), kept, tuple(name for name in new.names if name not in kept))


def _copy_rows(to: Tensor, source: Tensor, rows: list[tuple[int, int]]) -> None:
    for old, new in rows:
        to[new] = source[old]


def _shape(tensor: Tensor | None) -> tuple[int, ...] | str:
    return "missing" if tensor is None else tuple(tensor.shape)


def _few(names: list[str] | tuple[str, ...], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (
        f", … {len(names) - limit} more" if len(names) > limit else ""
    )
