"""The status of a run, from the files in its folder. Imports no torch.

The run itself is not contacted, so it may be on another machine with the same disk.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.engine.config_text import read_yaml
from tasks.engine.run_ending import read_ending
from tasks.engine.run_files import CONFIG, ENVIRONMENT, LAST, METRICS
from tasks.engine.run_lock import holder_of
from tasks.metrics_file import Row, read_metrics
from tasks.written import duration, score_text

RUNNING = "running"
UNSEEN = "on a machine that cannot be seen from here"


@dataclass(frozen=True, kw_only=True)
class Status:
    """The status of a run."""

    folder: Path
    state: str
    """`running`, `finished`, `stopped`, `failed` or `killed`."""
    detail: str
    """The process that runs it, or why it ended."""
    started: str
    """Start time and device; empty if unknown."""
    step: int
    total: int | None
    """Steps in all; None if time decides, or if unknown."""
    trained: Row
    """The last row of a training: loss, lr, images_per_s, data_share."""
    seconds_left: float | None
    score: str
    """The last score, and the best one; empty before the first."""
    age: float | None
    """Seconds since the last row."""

    @property
    def is_running(self) -> bool:
        """Whether the run may continue."""
        return self.state == RUNNING

    def lines(self) -> list[str]:
        """The status for people, in a few lines."""
        facts = {
            "": f"{self.state}{self.detail and ', '}{self.detail}",
            "started": self.started,
            "step": self._progress(),
            "loss": self._loss().removeprefix("loss "),
            "speed": self._speed(),
            "score": self.score,
            "last row": "" if self.age is None else f"{duration(self.age)} ago",
        }
        shown = [f"{name:<9} {text}" for name, text in facts.items() if text and name]
        return [_plain(line) for line in (f"{self.folder}  {facts['']}", *shown)]

    def line(self) -> str:
        """The status in one line, for a log."""
        parts = (self.state, f"step {self._progress()}", self._loss(), self._speed(), self.score)
        return _plain("  ".join(part for part in parts if part))

    def _progress(self) -> str:
        of = "" if self.total is None else f" of {self.total} ({self.step / self.total:.0%})"
        left = "" if self.seconds_left is None else f", left {duration(self.seconds_left)}"
        return f"{self.step}{of}{left}"

    def _loss(self) -> str:
        pairs = [(name, self.trained.get(name)) for name in ("loss", "lr")]
        known = [f"{name} {value:.4g}" for name, value in pairs if value is not None]
        return "  ".join(known)

    def _speed(self) -> str:
        speed = self.trained.get("images_per_s")
        share = self.trained.get("data_share")
        if speed is None or not self.is_running:
            return ""
        waiting = "" if share is None else f", {share:.0%} of the time waiting for data"
        return f"{speed:.1f} images/s{waiting}"


def read_status(folder: Path) -> Status:
    """Read the status of a run; UserError for a folder that is not a run's."""
    if not (folder / CONFIG).is_file():
        rule = f"a run's folder must hold its {CONFIG}, got {folder}"
        raise UserError(f"{rule}; name run.output_dir, after the run has read its data")
    settings = read_yaml(folder / CONFIG)
    metrics = folder / METRICS
    rows = read_metrics(metrics) if metrics.exists() else []
    schedule = _section(settings, "schedule")
    timed = schedule.get("minutes") is not None
    total = None if timed else schedule.get("steps")
    state, detail = _state(folder, rows, total)
    trained = _last_with(rows, "loss")
    step = rows[-1]["step"] if rows else 0
    left = None
    if state == RUNNING and total is not None:
        left = _seconds_left(total - step, trained, _section(settings, "data"))
    return Status(
        folder=folder,
        state=state,
        detail=detail,
        started=_started(folder),
        step=step,
        total=total,
        trained=trained,
        seconds_left=left,
        score=_score(rows, _section(settings, "run").get("best_metric")),
        age=max(0.0, time.time() - metrics.stat().st_mtime) if rows else None,
    )


def _section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = settings.get(name)
    return section if isinstance(section, Mapping) else {}


def _state(folder: Path, rows: Sequence[Row], total: int | None) -> tuple[str, str]:
    """Determine the state of a run, with its process or reason."""
    holder = holder_of(folder)
    if holder is not None:
        who = f"process {holder.process} on {holder.host}"
        if holder.lives is None:
            return RUNNING, f"{who}, {UNSEEN}"
        if holder.lives:
            return RUNNING, who
        return "killed", f"{who} is gone; {_way_on(folder)}"
    ending = read_ending(folder)
    if ending is None:  # of an earlier version
        ended = bool(rows) and total is not None and rows[-1]["step"] >= total
        return ("finished", "") if ended else ("stopped", _way_on(folder))
    if ending.how == "finished":
        return "finished", ending.time
    why = ending.why and f": {' '.join(ending.why.split())}"
    return ending.how, f"{ending.time}{why}; {_way_on(folder)}"


def _way_on(folder: Path) -> str:
    """Say how such a run is continued."""
    kept = (folder / LAST).exists()
    return "run.resume=auto continues it" if kept else "it has saved nothing yet"


def _started(folder: Path) -> str:
    """Say when the run's last process began, and on which device."""
    try:
        starts = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
        last = starts[-1]
        where = f"{last['started']} on {last.get('gpu') or last['device']}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""  # nothing depends on that file
    processes = f", {last['processes']} processes" if last.get("processes", 1) > 1 else ""
    return f"{where}{processes}" + (f", start {len(starts)}" if len(starts) > 1 else "")


def _last_with(rows: Sequence[Row], name: str) -> Row:
    """Find the last row that has a value; empty if none has."""
    return next((row for row in reversed(rows) if row.get(name) is not None), {})


def _seconds_left(steps: int, trained: Row, data: Mapping[str, Any]) -> float | None:
    """Estimate the time for the remaining steps at the present speed, without evaluations."""
    speed = trained.get("images_per_s")
    size = data.get("batch_size")
    if not speed or not isinstance(size, int):
        return None
    return max(0, steps) * size / float(speed)


def _score(rows: Sequence[Row], name: str | None) -> str:
    """Write the last value of a score, and the best one if that is another."""
    scored = [row for row in rows if name is not None and row.get(name) is not None]
    if name is None or not scored:
        return ""
    last = scored[-1]
    best = max(scored, key=lambda row: float(row[name]))
    text = f"{name} {score_text(last[name])} at step {last['step']}"
    if best[name] > last[name]:
        text += f", the best was {score_text(best[name])} at step {best['step']}"
    return text


def _plain(text: str) -> str:
    """Remove the control characters from a text."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
