"""Names of a run's checkpoint files, and which one a path stands for.  Imports no torch."""

from pathlib import Path

from resnet_backbones.errors import UserError

LAST, BEST = "last.pt", "best.pt"


def find_checkpoint(path: Path) -> Path:
    """The file that a checkpoint's path or a run's folder stands for; UserError where there is
    none.
    """
    candidates = [path / BEST, path / LAST] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise UserError(
        f"a checkpoint must exist, got {path}; looked for"
        f" {', '.join(str(file) for file in candidates)}"
    )
