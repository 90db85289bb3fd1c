"""Check that all ranks see a run's folder."""

import secrets
import socket
import time
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import Checkpoint
from tasks.engine.distributed import World
from tasks.engine.run_files import LAST

NEAR, FAR = 1.0, 45.0
"""Seconds within which a file must be visible, on the machine that wrote it and on others: NFS may
keep a folder's old listing for 30."""


def refuse_unshared(folder: Path, world: World) -> None:
    """Raise UserError on every rank if not all see a file that rank 0 writes into a folder. Creates
    the folder. Collective; does nothing for one process.
    """
    if world.size == 1:
        return
    with world.sharing_errors():
        written = _write(folder) if world.is_main else ("", "")
    name, host = world.broadcast(written)
    seconds = NEAR if socket.gethostname() == host else FAR
    place = f"{folder.absolute()} on {socket.gethostname()}"
    answers = world.broadcast(world.gather((_appears(folder / name, seconds), place)))
    if world.is_main:
        (folder / name).unlink(missing_ok=True)
    missing = [rank for rank, (seen, _) in enumerate(answers) if not seen]
    if missing:
        rule = "run.output_dir must be one folder that all ranks see"
        seen = f"rank {missing[0]} does not see in {answers[missing[0]][1]} what rank 0 wrote"
        raise UserError(f"{rule}, but {seen} into {answers[0][1]}; put it on a shared disk")


def refuse_different_folders(output_dir: Path, resumed: Checkpoint | None, world: World) -> None:
    """Raise UserError on every rank if they do not all see the same last checkpoint."""
    seen = "none" if resumed is None else f"one of step {resumed.step}"
    answers = world.broadcast(world.gather(seen))
    others = [rank for rank, answer in enumerate(answers) if answer != answers[0]]
    if others:
        rule = f"run.output_dir={output_dir} must be one folder that all ranks see"
        found = f"rank 0 finds {answers[0]} there and rank {others[0]} {answers[others[0]]}"
        raise UserError(f"{rule}, but of its {LAST} {found}; put it on a shared disk")


def _write(folder: Path) -> tuple[str, str]:
    """A file name unique to this start, and the machine that wrote the file."""
    path = folder / f".shared-{secrets.token_hex(8)}"
    folder.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path.name, socket.gethostname()


def _appears(path: Path, seconds: float) -> bool:
    """Whether a file exists or appears in time."""
    latest = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > latest:
            return False
        time.sleep(0.1)
        if path.parent.is_dir():
            list(path.parent.iterdir())  # makes a network disk read the folder again
    return True
