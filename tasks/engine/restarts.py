"""Runs that torchrun starts again, with `--max-restarts`."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tasks.engine.distributed import World
from tasks.engine.run_files import LAST
from tasks.engine.settings import TaskSettings

Config = TypeVar("Config", bound=TaskSettings)


def note_begun(folder: Path, world: World) -> None:
    """Leave a note with torchrun that a folder belongs to this run."""
    if world.is_main and world.peers is not None:
        world.peers.remember(str(folder.absolute()))


def after_restart(config: Config, world: World) -> Config:
    """Return the settings, with run.resume=auto if torchrun starts this run again. A folder that
    another run has used stays refused.
    """
    folder = Path(config.run.output_dir)
    peers = world.peers
    if peers is None or peers.ranks.restarts == 0:
        return config
    if not peers.remembers(str(folder.absolute())):
        return config
    is_saved = world.broadcast((folder / LAST).exists())
    if config.run.resume != "never" and not is_saved:  # from where it was resumed at first
        return config
    return replace(config, run=replace(config.run, resume="auto"))
