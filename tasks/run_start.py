"""Where a run was started, as its environment.json says: relative paths were meant from there."""

import json
from pathlib import Path

ENVIRONMENT = "environment.json"


def found_where_started(path: str | Path, run: Path) -> Path | None:
    """A relative path that is not here, in the folder where a run was started; None if it is not
    there either, and where nobody knows that folder.
    """
    if Path(path).is_absolute() or Path(path).exists():
        return None
    for folder in _started_in(run):
        if (folder / path).exists():
            return folder / path
    return None


def _started_in(run: Path) -> list[Path]:
    """The folders of a run's starts, the last one first; none for a file that is missing or
    damaged, which only decorates a run.
    """
    try:
        starts = json.loads((run / ENVIRONMENT).read_bytes())
        return [Path(start["folder"]) for start in reversed(starts)]
    except (OSError, ValueError, TypeError, KeyError):
        return []
