"""Copy files to the folder of a run that continues from a checkpoint in another place."""

import json
import shutil
from pathlib import Path

from tasks.engine.checkpoint import Checkpoint, read_checkpoint
from tasks.engine.run_files import BEST, LAST, METRICS, WEIGHTS
from tasks.files import AtomicFile, write_text
from tasks.metrics_file import read_metrics


def is_own(folder: Path, saved: Checkpoint) -> bool:
    """Whether a folder is the one that a checkpoint lies in."""
    return saved.path.parent.resolve() == folder.resolve()


def checkpoints_in(folder: Path) -> list[Path]:
    """List the checkpoints in a run's folder."""
    named = [folder / LAST, folder / BEST]
    return [*(path for path in named if path.exists()), *sorted(folder.glob("step_*.pt"))]


def bring_over(saved: Checkpoint, folder: Path) -> None:
    """Make a checkpoint the last one of a folder, so that a run killed before its first save
    continues from there.

    For another folder, its rows of metrics.jsonl and its best checkpoint are copied too. The last
    checkpoint is written last: a folder without it is refused.
    """
    if not is_own(folder, saved):
        _bring_best(saved, folder)
        _bring_rows(saved, folder)
    last = folder / LAST
    if not last.exists() or not last.samefile(saved.path):
        _copy(saved.path, last)


def _bring_best(saved: Checkpoint, folder: Path) -> None:
    """Copy the best checkpoint and its weights, unless the run has found a better one since."""
    best = saved.path.parent / BEST
    if saved.progress.best is None or not best.exists():
        return
    if read_checkpoint(best).step != saved.progress.best_step:
        return
    for name in (WEIGHTS, BEST):
        if best.with_name(name).exists():
            _copy(best.with_name(name), folder / name)


def _bring_rows(saved: Checkpoint, folder: Path) -> None:
    path = saved.path.parent / METRICS
    if path.exists():
        rows = [row for row in read_metrics(path) if row["step"] <= saved.step]
        write_text(folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows))


def _copy(source: Path, target: Path) -> None:
    """Copy a file that appears complete or not at all."""
    with source.open("rb") as whole, AtomicFile(target) as file:
        shutil.copyfileobj(whole, file, 1 << 20)
