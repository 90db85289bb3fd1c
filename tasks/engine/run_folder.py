"""The folder of a run: refused when used, checked when resumed, and given its settings and
environment.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.config import flatten, from_saved, load_config, to_dict, to_yaml
from tasks.engine.distributed import World
from tasks.engine.environment import describe_environment
from tasks.engine.run_files import BEST, CONFIG, ENVIRONMENT, LAST, MADE, METRICS
from tasks.engine.settings import RunConfig, changeable
from tasks.files import write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def check_output_dir(run: RunConfig, world: World, config: "DataclassInstance") -> Path:
    """Refuse a folder that the run must not use. Collective: call on every rank. Does not write.

    UserError on every rank when the folder holds a run and `run.resume` is never, or when a resumed
    run changes a setting that is not declared with `may_change`.
    """
    folder = Path(run.output_dir)
    with world.sharing_errors():
        if world.is_main:
            _refuse(folder, run, config)
    return folder


def prepare_output_dir(
    run: RunConfig,
    world: World,
    config: "DataclassInstance",
    choices: Mapping[str, object] | None = None,
) -> Path:
    """Check `run.output_dir` and write config.yaml and environment.json, which `choices`, made by
    the machine, go into. Collective.

    Call it when nothing else can be refused, so that a mistaken start leaves no used folder behind.
    """
    folder = check_output_dir(run, world, config)
    with world.sharing_errors():
        if world.is_main:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / CONFIG, to_yaml(config))
            _add_environment(folder / ENVIRONMENT, world, choices or {})
    return folder


def _refuse(folder: Path, run: RunConfig, config: "DataclassInstance") -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"run.output_dir must be a folder, got the file {folder}")
    used = [name for name in (CONFIG, METRICS, LAST) if (folder / name).exists()]
    if run.resume == "never" and used:
        seen = f"got {folder}, which holds {', '.join(used)}"
        resumable = LAST in used
        verb = "continues that run" if resumable else "starts that run anew, as it saved nothing"
        way_out = f"run.resume=auto {verb}, or choose another folder"
        raise UserError(f"run.output_dir must be unused, {seen}; {way_out}")
    if LAST not in used:
        _refuse_lost(folder)
        _refuse_the_users(folder)
        return
    changes = list(_changes(_saved_settings(folder, type(config)), config))
    if changes:
        rule = "a resumed run must keep its settings"
        seen = f"{folder} was started with {'; '.join(changes)}"
        way_out = "give the old values, or another run.output_dir to start anew"
        raise UserError(f"{rule}, but {seen}; {way_out}")


def _refuse_lost(folder: Path) -> None:
    """Raise UserError where a run was saved, and what it is resumed from is not there."""
    saved = [path.name for path in folder.glob("step_*.pt")]
    if (folder / BEST).exists():
        saved.append(BEST)
    last = folder / LAST
    if not saved and not last.is_symlink():
        return
    rule = f"run.resume=auto takes the {LAST} of {folder}"
    seen = f"the folder has {', '.join(sorted(saved)) or 'no checkpoint'}, and no {LAST}"
    way_out = "put it back"
    if last.is_symlink():
        seen = f"it is a link to {last.readlink()}, where no file is"
        way_out = "mount that disk or put it back"
    raise UserError(f"{rule}, but {seen}; {way_out}, or choose another run.output_dir")


def _refuse_the_users(folder: Path) -> None:
    """Raise UserError where a folder that no run has used holds a file that a run would replace."""
    theirs = [name for name in MADE if os.path.lexists(folder / name)]
    if theirs and not (folder / CONFIG).exists():
        seen = f"got {folder}, which no run has used and which holds {', '.join(theirs)}"
        raise UserError(f"run.output_dir must be unused, {seen}; choose another folder")


def _saved_settings(folder: Path, cls: type[Config]) -> Config:
    """The settings that the run in a folder was started with, which its checkpoints hold too."""
    if (folder / CONFIG).exists():
        return load_config(cls, folder / CONFIG, [])
    checkpoint = read_checkpoint(folder / LAST)
    values = checkpoint.metadata.get("config", {})
    return from_saved(cls, values, f"checkpoint {checkpoint.path}")


def _changes(saved: "DataclassInstance", config: "DataclassInstance") -> Iterator[str]:
    """Each setting that differs from the saved ones and must not."""
    old: dict[str, Any] = dict(flatten(to_dict(saved)))
    new: dict[str, Any] = dict(flatten(to_dict(config)))
    free = {*changeable(config), "schedule.epochs"}
    if new.get("schedule.epochs") is not None:
        free.add("schedule.steps")  # compared once the epochs are steps
    for key in {**old, **new}:  # a section that is null has none of its settings
        before, now = (values.get(key, "none") for values in (old, new))
        if key not in free and before != now:
            yield f"{key}={before}, now {now}"


def _add_environment(path: Path, world: World, choices: Mapping[str, object]) -> None:
    """Append this start to the list of the run's starts; a resumed run has several."""
    starts = _read_starts(path) if path.exists() else []
    starts.append(describe_environment(world) | dict(choices))
    write_text(path, json.dumps(starts, indent=2) + "\n")


def _read_starts(path: Path) -> list[Any]:
    try:
        starts = json.loads(path.read_text())
    except ValueError as error:
        starts = error
    if not isinstance(starts, list):
        rule = f"{path} must be the list of the run's starts"
        raise UserError(f"{rule}, got {str(starts)[:80]}; remove it, nothing depends on it")
    return starts
