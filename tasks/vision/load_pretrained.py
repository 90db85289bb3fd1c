"""Initialise a network from one that was trained on other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.weights.loading import is_finite
from tasks.errors import few
from tasks.labels import LabelMap
from tasks.vision.class_rows import ClassRows

SCRATCH = "weights: none, training starts from scratch (model.weights=null)"
"""Line for a network that starts from scratch."""

_COUNTER = "num_batches_tracked"


class HasClassRows(Protocol):
    """A network that names its tensors with rows for each class."""

    def class_rows(self) -> Mapping[str, ClassRows]:
        """Those tensors, by their names in the state dict."""

    def state_dict(self) -> dict[str, Any]:
        """All tensors by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> object:
        """Load tensors by name."""


@dataclass(frozen=True)
class LoadReport:
    """The result of loading another network."""

    what: str
    """The word for the kind of network."""
    loaded: int
    """Tensors that were loaded whole."""
    kept: tuple[str, ...]
    """Classes whose rows of the predictors were loaded."""
    new: tuple[str, ...]
    """Classes whose rows were reinitialised."""
    left_over: tuple[str, ...] = ()
    """Tensors of the other network that this one has no place for."""

    def __str__(self) -> str:
        kept = "no class is kept"
        if self.kept:
            kept = f"{len(self.kept)} classes keep their predictor ({few(self.kept)})"
        new = "no predictor is reinitialised"
        if self.new:
            new = f"{len(self.new)} reinitialised ({few(self.new)})"
        left = ""
        if self.left_over:
            left = f"{len(self.left_over)} tensors are left over: {few(self.left_over, 4)}; "
        return f"{self.what} weights: {left}{self.loaded} tensors loaded; {kept}; {new}"


def load_pretrained(
    model: HasClassRows,
    state: Mapping[str, Tensor],
    old: LabelMap,
    new: LabelMap,
    *,
    what: str,
    settings: str,
) -> LoadReport:
    """Load all tensors without rows for each class; of the others, load the rows of classes that
    have the same name in both label maps.

    `what` is the kind of network, such as "detector". Raises UserError listing tensors of another
    shape, missing ones, or non-finite ones; `settings` is the way out for the first two.
    """
    own = model.state_dict()
    class_rows = model.class_rows()
    whole = [name for name in own if name not in class_rows and not name.endswith(_COUNTER)]
    problems = [*_misfits(whole, state, own), *_class_misfits(class_rows, state, own)]
    if problems:
        raise UserError(
            f"model.weights is a {what} of another architecture,"
            f" {len(problems)} tensors do not fit: {few(problems)}; {settings}"
        )
    _refuse_infinite(state, [*whole, *class_rows], what)
    shared = [
        (old.names.index(name), label) for label, name in enumerate(new.names) if name in old.names
    ]
    merged = {name: state[name] for name in whole}
    for name, rows in class_rows.items():
        pairs = list(shared)
        if rows.background == "last":
            pairs.append((old.num_classes, new.num_classes))
        merged[name] = _merged_rows(own[name], state[name], rows.per_class, pairs)
    model.load_state_dict(merged, strict=False)
    kept = tuple(new.names[label] for _, label in shared)
    fresh = tuple(name for name in new.names if name not in kept)
    left_over = [name for name in state if name not in own and not name.endswith(_COUNTER)]
    return LoadReport(what, len(whole), kept, fresh, tuple(left_over))


def _misfits(
    names: Sequence[str], state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> list[str]:
    """List the errors of tensors that must exist with the same shape."""
    return [
        f"{name}: {_shape(state.get(name))}, needs {_shape(own[name])}"
        for name in names
        if _shape(state.get(name)) != _shape(own[name])
    ]


def _refuse_infinite(state: Mapping[str, Tensor], names: Sequence[str], what: str) -> None:
    """Raise UserError if tensors to be loaded are not finite."""
    bad = [name for name in names if not is_finite(state[name])]
    if bad:
        rule = f"model.weights must be a {what} with finite values"
        seen = f"{len(bad)} of {len(names)} tensors are not: {few(bad)}"
        raise UserError(f"{rule}, but {seen}; take other weights, or those of an earlier step")


def _class_misfits(
    names: Mapping[str, ClassRows], state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> list[str]:
    """List the errors of tensors that may differ only in the number of rows."""
    return [
        f"{name}: {_shape(state.get(name))}, needs rows of {_shape(own[name])[1:]}"
        for name in names
        if name not in state or state[name].shape[1:] != own[name].shape[1:]
    ]


def _merged_rows(
    own: Tensor, source: Tensor, per_class: int, pairs: Sequence[tuple[int, int]]
) -> Tensor:
    """Copy `own` with the rows of some classes from `source`, by (class there, class here)."""
    merged = own.clone()
    classes = merged.view(-1, per_class, *own.shape[1:])
    source_classes = source.view(-1, per_class, *source.shape[1:])
    for there, here in pairs:
        classes[here] = source_classes[there]
    return merged


def _shape(tensor: Tensor | None) -> tuple[int, ...] | str:
    return "missing" if tensor is None else tuple(tensor.shape)
