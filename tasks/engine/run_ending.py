"""How a run ended, as a file in its folder. Imports no torch."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError, as_line
from tasks.files import write_text

ENDED = ".ended.json"


@dataclass(frozen=True)
class Ending:
    """The end of a run."""

    how: Literal["finished", "stopped", "failed"]
    """`stopped` is by a signal, `failed` by an error."""
    why: str
    """The error; empty without one."""
    time: str


def note_ending(folder: Path, error: BaseException | None) -> None:
    """Write down how a run ends; a file that cannot be written is left out silently."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    ending = Ending("finished", "", now)
    if isinstance(error, SystemExit | KeyboardInterrupt):
        ending = Ending("stopped", "", now)
    elif error is not None:
        line = as_line(error) if isinstance(error, Exception) else None
        ending = Ending("failed", line or f"{type(error).__name__}: {error}", now)
    if not folder.is_dir():  # the folder has vanished, and a new one would lack the run
        return
    with suppress(OSError, UserError):
        write_text(folder / ENDED, json.dumps(asdict(ending)) + "\n")


def forget_ending(folder: Path) -> None:
    """Remove the file of an earlier process of the run."""
    (folder / ENDED).unlink(missing_ok=True)


def read_ending(folder: Path) -> Ending | None:
    """Read how the run ended; None without a file."""
    try:
        return Ending(**json.loads((folder / ENDED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
