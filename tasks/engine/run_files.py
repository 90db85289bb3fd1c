"""Names of the files in a run's folder, and the checkpoint that a path stands for. Imports no
torch.
"""

from pathlib import Path

from resnet_backbones.errors import UserError

LAST, BEST = "last.pt", "best.pt"
CONFIG, ENVIRONMENT, METRICS = "config.yaml", "environment.json", "metrics.jsonl"
LABEL_MAP = "label_map.json"
SAMPLES = "samples.png"
"""Training images as the network gets them, drawn before the first step."""
WEIGHTS = "weights.safetensors"
"""The best weights of a classifier's run, for use elsewhere."""
MADE = (
    METRICS,
    LABEL_MAP,
    "curves.png",
    "detections.json",
    "evaluation.json",
    "pixels.npz",
    "predictions.csv",
    "predictions.png",
    "report.html",
    SAMPLES,
    "tensorboard",
    WEIGHTS,
)
"""Files of a run besides settings and checkpoints; they depend on the task."""
OURS = "ours:"
"""Prefix of the names of checkpoints that come with the package."""
SHIPPED = Path(__file__).resolve().parents[1] / "zoo"
"""Their folder."""


def find_checkpoint(path: Path) -> Path:
    """Find the checkpoint file for a path, a run's folder or `ours:NAME`; UserError if it does not
    exist.
    """
    if is_shipped(path):
        return _shipped(str(path).removeprefix(OURS))
    path = path.expanduser()
    candidates = [path / BEST, path / LAST] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    tried = ", ".join(str(file) for file in candidates)
    raise UserError(f"a checkpoint must exist, got {path}; looked for {tried}")


def is_shipped(path: str | Path) -> bool:
    """Whether a path is the name of a checkpoint that comes with the package."""
    return str(path).startswith(OURS)


def shipped_checkpoint(source: str) -> Path | None:
    """Find the file of a whole network that comes with the package; None for any other source."""
    file = SHIPPED / f"{source.removeprefix(OURS)}.pt"
    return file if source.startswith(OURS) and file.is_file() else None


def _shipped(name: str) -> Path:
    known = {file.stem: file for file in sorted(SHIPPED.glob("*.pt"))}
    if name not in known:
        names = ", ".join(f"{OURS}{other}" for other in known)
        raise UserError(
            f"a checkpoint that comes with the package must be {names}, got {OURS}{name}"
        )
    return known[name]
