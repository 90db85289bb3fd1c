"""Dotted names of settings, and suggestions for wrong ones. Imports no torch."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.engine.setting_declarations import EXCLUDES
from tasks.engine.setting_types import field_types, section_type

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_TRACKERS = (
    "trackers have no settings; TensorBoard files are in the run's folder, and tasks.train takes"
    " sinks=[…] of yours"
)
_STOPPING = "run.patience ends a run whose score no longer rises"
_FLIPS = "test-time augmentation is in classification (test.views) and segmentation (test.scales)"
_LISTS = "classes are those of the data; take others out of the annotation file"
ABSENT = {
    "num_epochs": "schedule.epochs or schedule.steps says how long a run is",
    "max_epochs": "schedule.epochs or schedule.steps says how long a run is",
    "early_stopping": _STOPPING,
    "early_stop": _STOPPING,
    "wandb": _TRACKERS,
    "mlflow": _TRACKERS,
    "tracker": _TRACKERS,
    "classes": _LISTS,
    "num_classes": "the number of classes follows from the data",
    "tta": _FLIPS,
    "mosaic": "mosaic is not there; data.copy_paste of detection joins images",
    "amp": "run.precision is auto, bf16 or fp32",
    "fp16": "run.precision is auto, bf16 or fp32",
    "gpus": "torchrun --nproc-per-node N starts N GPUs, run.device names one",
    "pretrained": "model.weights names the weights to start from",
}
"""Settings of other programs that do not exist here, and what to do instead."""


def setting_names(cls: type["DataclassInstance"], prefix: str = "") -> Iterator[str]:
    """List the dotted names of all sections and settings."""
    for name, hint in field_types(cls).items():
        yield f"{prefix}{name}"
        section = section_type(hint)
        if section is not None:
            yield from setting_names(section, f"{prefix}{name}.")


def declared_type(cls: type["DataclassInstance"], key: str) -> Any:
    """Return the declared type of a setting by dotted name; None if it does not exist."""
    section, _, rest = key.partition(".")
    hint = field_types(cls).get(section)
    if not rest:
        return hint
    below = section_type(hint)
    return None if below is None else declared_type(below, rest)


def excluded_by(cls: type["DataclassInstance"], key: str) -> list[str]:
    """List the dotted names of settings that a setting replaces, in both directions."""
    section, _, name = key.rpartition(".")
    owner = section_type(declared_type(cls, section)) if section else cls
    if owner is None:
        return []
    excluded = {item.name: item.metadata.get(EXCLUDES, ()) for item in dataclasses.fields(owner)}
    partners = [other for other in excluded if other in excluded[name] or name in excluded[other]]
    return [f"{section}.{other}" if section else other for other in partners]


def unknown_setting(cls: type["DataclassInstance"], key: str, source: str) -> str:
    """Report a key that is not a setting: what became of it, or the nearest right name."""
    removed: Mapping[str, str] = getattr(cls, "REMOVED", {})
    if key in removed:
        return f"{key} is not a setting any more, seen in {source}; {removed[key]}"
    names = list(setting_names(cls))
    last = key.rpartition(".")[2]
    instead = ABSENT.get(last)
    if instead is not None and not any(name.rpartition(".")[2] == last for name in names):
        return f"{key} is not a setting, seen in {source}: {instead}"
    return f"{key} is not a setting, seen in {source}; {_nearest(key, names)}"


def _nearest(key: str, names: Sequence[str]) -> str:
    """Suggest names for a wrong one: the same last part elsewhere, a similar one, its section."""
    section, _, last = key.rpartition(".")
    parts = {name: name.rpartition(".") for name in names}
    siblings = {parts[name][2]: name for name in names if parts[name][0] == section}
    near = [name for name in names if parts[name][2] == last]
    near = near or [siblings[match] for match in difflib.get_close_matches(last, siblings, n=3)]
    near = near or difflib.get_close_matches(key, () if siblings else names, n=3)
    near = near or [name for name in names if _is_like(last, parts[name][2])]
    if near:
        return f"did you mean {' or '.join(near)}?"
    if siblings:
        return f"{section or 'the top level'} has {', '.join(siblings)}"
    return "--help lists all settings"


def _is_like(name: str, other: str) -> bool:
    return bool(difflib.get_close_matches(name, [other], cutoff=0.75))
