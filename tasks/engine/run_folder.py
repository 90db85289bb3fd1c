"""The folder of a run: refuse a used one, check a resumed one, write settings and environment."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.engine.bringing_over import bring_over, checkpoints_in, is_own
from tasks.engine.checkpoint import Checkpoint, read_checkpoint
from tasks.engine.config import to_yaml
from tasks.engine.distributed import World
from tasks.engine.environment import describe_environment
from tasks.engine.resuming import path_to_resume, refuse_other_settings
from tasks.engine.run_files import BEST, CONFIG, ENVIRONMENT, LAST, MADE, METRICS
from tasks.engine.settings import RunConfig, TaskSettings
from tasks.files import write_text


def check_output_dir(run: RunConfig, world: World, config: TaskSettings) -> Path:
    """Refuse a folder that the run must not use. Collective: call on every rank. Does not write.

    UserError on every rank when the folder holds a run and `run.resume` is never, when it holds
    later checkpoints than the one that `run.resume` names, or when a resumed run changes a setting
    that must stay.
    """
    folder = Path(run.output_dir)
    with world.sharing_errors():
        if world.is_main:
            _refuse(folder, run, config)
    return folder


def prepare_output_dir(
    run: RunConfig,
    world: World,
    config: TaskSettings,
    choices: Mapping[str, object] | None = None,
) -> Path:
    """Check `run.output_dir`, copy the files of a run resumed from another place, and write
    config.yaml and environment.json with the machine's `choices`. Collective.

    Call it after all other checks, so that a mistaken start leaves no used folder behind.
    """
    folder = check_output_dir(run, world, config)
    with world.sharing_errors():
        if world.is_main:
            folder.mkdir(parents=True, exist_ok=True)
            if run.resumed_file is not None:
                bring_over(read_checkpoint(run.resumed_file), folder)
            write_text(folder / CONFIG, to_yaml(config))
            _add_environment(folder / ENVIRONMENT, world, choices or {})
    return folder


def _refuse(folder: Path, run: RunConfig, config: TaskSettings) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"run.output_dir must be a folder, got the file {folder}")
    resumed = path_to_resume(run)
    if run.resume == "never":
        _refuse_used(folder, "run.output_dir must be unused")
    elif resumed is None:
        _refuse_lost(folder)
        _refuse_the_users(folder)
    else:
        saved = read_checkpoint(resumed)
        if run.resumed_file is not None:
            _refuse_target(folder, saved)
        refuse_other_settings(saved, config)


def _refuse_used(folder: Path, rule: str) -> None:
    """Raise UserError if a folder holds a run or parts of one."""
    saved = sorted(path.name for path in folder.glob("step_*.pt"))
    names = [CONFIG, METRICS, LAST, BEST, *saved]
    used = [name for name in names if (folder / name).exists()]
    if not used:
        _refuse_the_users(folder)
        return
    seen = f"got {folder}, which holds {', '.join(used)}"
    way_out = ""
    if LAST in used:
        way_out = "run.resume=auto continues that run, or "
    elif not {BEST, *saved} & set(used):
        way_out = "run.resume=auto starts that run again, as it saved nothing, or "
    raise UserError(f"{rule}, {seen}; {way_out}choose another folder")


def _refuse_target(folder: Path, saved: Checkpoint) -> None:
    """Raise UserError if a checkpoint cannot be continued in a folder: it holds another run, or
    later checkpoints of the same run, which would be overwritten.
    """
    if not saved.is_resumable:
        rule = f"run.resume needs a {LAST} or step_N.pt, with the optimiser's state"
        way_out = f"start another run from its weights: model.weights={saved.path}"
        raise UserError(f"{rule}, got {saved.path}, which has none; {way_out}")
    if not is_own(folder, saved):
        _refuse_used(folder, f"run.output_dir must be unused, or the folder of {saved.path}")
        return
    later: list[str] = []
    for path in checkpoints_in(folder):
        step = _step_of(path)
        if step is None or step > saved.step:
            later.append(f"{path.name} ({'damaged' if step is None else f'step {step}'})")
    if later:
        rule = f"{saved.path} of step {saved.step} is continued in its folder if it is the latest"
        seen = f"there are also {', '.join(later)}, which would be overwritten"
        raise UserError(f"{rule}, but {seen}; choose another run.output_dir, or move them away")


def _step_of(path: Path) -> int | None:
    """Return a checkpoint's finished steps; None if it cannot be read."""
    try:
        return read_checkpoint(path).step
    except UserError:
        return None


def _refuse_lost(folder: Path) -> None:
    """Raise UserError if a run was saved, but its last checkpoint is missing."""
    saved = [path.name for path in folder.glob("step_*.pt")]
    if (folder / BEST).exists():
        saved.append(BEST)
    last = folder / LAST
    if not saved and not last.is_symlink():
        return
    rule = f"run.resume=auto needs the {LAST} of {folder}"
    seen = f"the folder has {', '.join(sorted(saved)) or 'no checkpoint'}, and no {LAST}"
    way_out = "put it back"
    if last.is_symlink():
        seen = f"it is a link to {last.readlink()}, which does not exist"
        way_out = "mount that disk or put it back"
    raise UserError(f"{rule}, but {seen}; {way_out}, or choose another run.output_dir")


def _refuse_the_users(folder: Path) -> None:
    """Raise UserError if a folder is not a run's but holds a file that a run would replace."""
    theirs = [name for name in MADE if os.path.lexists(folder / name)]
    if theirs and not (folder / CONFIG).exists():
        seen = f"got {folder}, which is not a run's folder but holds {', '.join(theirs)}"
        raise UserError(f"run.output_dir must be unused, {seen}; choose another folder")


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
