"""Read a finished run's checkpoint and settings, for evaluation and prediction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import Checkpoint, read_checkpoint
from tasks.engine.commands import command
from tasks.engine.config import from_saved, to_dict, to_saved, with_overrides
from tasks.engine.nested_values import flatten
from tasks.run_start import found_where_started

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


@dataclass(frozen=True)
class SavedRun(Generic[Config]):
    """A checkpoint with the settings to use its model with."""

    checkpoint: Checkpoint
    config: Config
    overrides: tuple[str, ...]
    """Overrides that changed the checkpoint's settings."""

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.checkpoint.path

    def describe(self) -> dict[str, object]:
        """Describe the model and its settings for an evaluation."""
        weights = "ema" if self.checkpoint.has_ema else "model"
        return {
            "checkpoint": str(self.path),
            "step": self.checkpoint.step,
            "weights": weights,
            "weights_hash": self.checkpoint.digest(weights),
            "overrides": list(self.overrides),
            "settings": to_saved(self.config),
        }

    def evaluation_folder(self, given: str | Path | None) -> Path:
        """Return the folder of an evaluation: `evaluation/` beside the checkpoint unless one is
        given, so that the training's own files stay as they are.
        """
        return evaluation_folder(self.path.parent, given)


def evaluation_folder(run: str | Path, given: str | Path | None) -> Path:
    """Return the folder of an evaluation: below the folder of a run, unless one is given."""
    return Path(run) / "evaluation" if given is None else Path(given)


def read_run(
    path: str | Path, cls: type[Config], task: str, overrides: Sequence[str] = ()
) -> SavedRun[Config]:
    """Read a checkpoint file, or a run folder's best checkpoint, or its last one if none was
    scored.

    `overrides` such as `data.val.limit=100` change its settings. UserError for a checkpoint of
    another task.
    """
    checkpoint = read_checkpoint(path)
    trained = saved_config(checkpoint, cls, task)
    overrides = [*_found_where_started(trained, checkpoint.path.parent), *overrides]
    return SavedRun(checkpoint, with_overrides(trained, overrides), tuple(overrides))


def _found_where_started(config: "DataclassInstance", run: Path) -> list[str]:
    """Return overrides for data paths that are missing here, but exist in the folder where the run
    was started.
    """
    found: list[str] = []
    for name, value in flatten(to_dict(config)):
        if name.startswith("data.") and isinstance(value, str) and value:
            there = found_where_started(value, run)
            if there is not None:
                found.append(f"{name}={json.dumps(str(there), ensure_ascii=False)}")
    return found


def saved_config(checkpoint: Checkpoint, cls: type[Config], task: str) -> Config:
    """Read the settings that a task's checkpoint was trained with."""
    seen = checkpoint.metadata.get("task")
    if seen != task:
        what = "that names no task" if seen is None else f"of {seen}"
        rule = f"{checkpoint.path} must be a checkpoint of {task}"
        take_out = command("export-weights", checkpoint.path, "OUT.safetensors")
        raise UserError(f"{rule}, got one {what}; `{take_out}` takes out its backbone's weights")
    return settings_of(checkpoint, cls)


def settings_of(checkpoint: Checkpoint, cls: type[Config]) -> Config:
    """Read the settings in a checkpoint of any task."""
    values = saved_metadata(checkpoint, "config")
    if not isinstance(values, dict):
        rule = f"the config in {checkpoint.path} must be settings by name"
        raise UserError(f"{rule}, got {str(values)[:60]!r}; use another checkpoint")
    return from_saved(cls, values, f"checkpoint {checkpoint.path}")


def saved_metadata(checkpoint: Checkpoint, name: str) -> Any:
    """Return an entry of a checkpoint's metadata; UserError if it is missing."""
    if name not in checkpoint.metadata:
        raise UserError(f"{checkpoint.path} must state its {name}, but does not; train again")
    return checkpoint.metadata[name]
