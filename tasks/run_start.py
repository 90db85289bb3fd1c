"""The folder where a run was started, from its environment.json: relative paths refer to it."""

import json
from pathlib import Path

ENVIRONMENT = "environment.json"


def found_where_started(path: str | Path, run: Path) -> Path | None:
    """Find a missing relative path in the folder where a run was started; None if it is not there
    either, or if that folder is unknown.
    """
    if Path(path).is_absolute() or Path(path).exists():
        return None
    for folder in _started_in(run):
        if (folder / path).exists():
            return folder / path
    return None


def _started_in(run: Path) -> list[Path]:
    """List the folders of a run's starts, the last one first; none if the file is missing or
    damaged, as nothing depends on it.
    """
    try:
        starts = json.loads((run / ENVIRONMENT).read_bytes())
        return [Path(start["folder"]) for start in reversed(starts)]
    except (OSError, ValueError, TypeError, KeyError):
        return []
