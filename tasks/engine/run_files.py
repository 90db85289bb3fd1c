"""Names of the files in a run's folder, and what checkpoint a path stands for.  No torch here."""

from pathlib import Path

from resnet_backbones.errors import UserError

LAST, BEST = "last.pt", "best.pt"
CONFIG, ENVIRONMENT, METRICS = "config.yaml", "environment.json", "metrics.jsonl"
LABEL_MAP = "label_map.json"


def find_checkpoint(path: Path) -> Path:
    """The file that a checkpoint's path or a run's folder stands for; UserError where there is
    none.
    """
    candidates = [path / BEST, path / LAST] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    tried = ", ".join(str(file) for file in candidates)
    raise UserError(f"a checkpoint must exist, got {path}; looked for {tried}")
