"""The checkpoint that a resumed run continues from, and what both must have in common."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import Checkpoint
from tasks.engine.config import to_dict
from tasks.engine.nested_values import flatten
from tasks.engine.progress import Progress
from tasks.engine.run_files import BEST, LAST
from tasks.engine.saved import settings_of
from tasks.engine.schedule import lr_factor
from tasks.engine.setting_declarations import changeable
from tasks.engine.settings import RunConfig, TaskSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BY_THEIR_RATES = "schedule."
"""Prefixes of settings that are compared by the resulting learning rates."""
KEPT = ("schedule.minutes", "schedule.warmup_metric")
"""Settings among them that must stay: the length in minutes was measured, and a checkpoint keeps
the deciding scores."""
DATA_WORDS = {
    "images": "number of images",
    "objects": "number of objects",
    "shards": "number of shards",
    "sha256": "names, sizes, boxes or classes",
    "names": "file names",
    "pixels": "pixels of some images",
    "masks": "masks",
}
VAL = "val"
"""Key of the validation split in a checkpoint's data."""


def path_to_resume(run: RunConfig) -> Path | None:
    """Find the checkpoint that the settings continue from; None for a new run."""
    if run.resumed_file is not None:
        return Path(run.resumed_file)
    last = Path(run.output_dir) / LAST
    return last if run.resume == "auto" and last.exists() else None


def refuse_other_settings(saved: Checkpoint, config: TaskSettings) -> None:
    """Raise UserError if the settings are not those of the checkpoint's run.

    Settings declared with `may_change` may differ. Those of the schedule may if no finished step
    had another learning rate; they are compared once schedule.epochs is turned into steps.
    """
    old = settings_of(saved, type(config))
    changes = list(_changes(old, config))
    if changes:
        rule = "a resumed run must keep its settings"
        seen = f"{saved.path} was started with {'; '.join(changes)}"
        way_out = "give the old values, or start a new run in another run.output_dir"
        raise UserError(f"{rule}, but {seen}; {way_out}")
    if config.schedule.epochs is None and config.schedule.minutes is None:
        _refuse_past_the_end(saved, config.schedule.steps)
        _refuse_other_rates(saved, old, config)


def refuse_other_run(saved: Checkpoint, metadata: Mapping[str, Any]) -> None:
    """Raise UserError if a checkpoint has another task, other classes or other data than the run's
    `metadata`.
    """
    for key in ("task", "label_map"):
        before = saved.metadata.get(key)
        now = metadata.get(key)
        if before == now:
            continue
        rule = f"a resumed run must keep its {key.replace('_', ' ')}"
        seen = f"{saved.path} has {before!r}, and the run {now!r}"
        way_out = "choose another run.output_dir"
        if key != "task":
            way_out = f"point data.* at the old data or {way_out}"
        raise UserError(f"{rule}, but {seen}; {way_out}")
    _refuse_other_data(saved, metadata.get("data"))


def _refuse_other_data(saved: Checkpoint, now: object) -> None:
    """Compare the entries that both have; files of older versions have fewer."""
    before = saved.metadata.get("data")
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return
    changes = list(_other_data(before, now, "training"))
    old_val = _of_val(before)
    new_val = _of_val(now)
    if old_val.get("limit") == new_val.get("limit"):  # these may change
        changes += _other_data(old_val, new_val, "validation")
    if changes:
        rule = "a resumed run must keep its data"
        seen = f"since {saved.path} these have changed: {'; '.join(changes)}"
        way_out = f"point data.* at the old data, or {start_anew(saved)}"
        raise UserError(f"{rule}, but {seen}; {way_out}")


def _of_val(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the entries of the validation split."""
    known = data.get(VAL)
    return known if isinstance(known, Mapping) else {}


def _other_data(before: Mapping[str, Any], now: Mapping[str, Any], split: str) -> Iterator[str]:
    for key, what in DATA_WORDS.items():
        if key in before and key in now and before[key] != now[key]:
            both = f" ({before[key]}, now {now[key]})" if isinstance(now[key], int) else ""
            yield f"the {what} of the {split} data{both}"


def start_anew(saved: Checkpoint) -> str:
    """Say how to start another run from a checkpoint's weights."""
    best = saved.path.parent / BEST
    weights = best if best.exists() else saved.path
    return f"start another run from its weights: model.weights={weights} run.output_dir=NEW"


def _changes(saved: "DataclassInstance", config: "DataclassInstance") -> Iterator[str]:
    """List the changed settings that must stay, whatever the learning rates."""
    old: dict[str, Any] = dict(flatten(to_dict(saved)))
    new: dict[str, Any] = dict(flatten(to_dict(config)))
    free = set(changeable(config))
    by_rates = old.get("schedule.minutes") is None and new.get("schedule.minutes") is None
    for key in {**old, **new}:  # a section that is null has none of its settings
        if by_rates and key.startswith(BY_THEIR_RATES) and key not in KEPT:
            continue
        before = old.get(key, "none")
        now = new.get(key, "none")
        if key not in free and before != now:
            yield f"{key}={before}, now {now}"


def _refuse_past_the_end(saved: Checkpoint, steps: int) -> None:
    if saved.step > steps:
        rule = f"a run of schedule.steps={steps} continues from a checkpoint of no later step"
        way_out = "raise schedule.steps, or choose an earlier checkpoint"
        raise UserError(f"{rule}, got {saved.path} of step {saved.step}; {way_out}")


def _refuse_other_rates(saved: Checkpoint, old: TaskSettings, new: TaskSettings) -> None:
    """Raise UserError if a finished step would have had another learning rate."""
    if old.schedule == new.schedule:
        return
    for step in range(saved.step):
        before = _factor(step, saved.progress, old)
        now = _factor(step, saved.progress, new)
        if before != now:
            changes = "; ".join(_different(to_dict(old.schedule), to_dict(new.schedule)))
            rule = "a resumed run must keep the learning rate of every finished step"
            seen = f"step {step + 1} of {saved.path} took {before:.3g} times the peak, which"
            way_out = f"give the old values, or {start_anew(saved)}"
            raise UserError(f"{rule}, but {seen} is {now:.3g} with {changes}; {way_out}")


def _different(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """List the changed settings of the schedule."""
    for name, before in old.items():
        if before != new[name]:
            yield f"schedule.{name}={new[name]} (was {before})"


def _factor(step: int, progress: Progress, config: TaskSettings) -> float:
    """Return the settings' factor on the peak learning rate after `step` finished steps."""
    history = [one for one in progress.history if one.step <= step]
    return lr_factor(step, history, config.schedule, config.run.best_metric)
