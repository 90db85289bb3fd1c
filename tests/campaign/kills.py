"""Trainings that are killed at random moments and resumed, against one that nothing disturbed."""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from campaign import bases
from campaign.damage import same
from campaign.kind import Kind, Place
from campaign.outcomes import Outcome, Verdict, fault_of
from campaign.processes import Started, begin, call
from tasks.engine.checkpoint import read_checkpoint
from tasks.metrics_file import Row, read_metrics

STEPS = 9
TIMES = ("images_per_s", "data_share")
"""What the clock decides in a row of metrics.jsonl."""
KILLS = 2
"""Of a run."""
PATIENCE = 15.0
"""Seconds in which the loader workers of a killed process end."""
TASKS = ("detection", "classification", "segmentation")


@dataclass(frozen=True)
class Script:
    """What is trained, and who is killed."""

    task: str
    workers: int
    group: bool

    @classmethod
    def draw(cls, chance: Random) -> "Script":
        """One of all."""
        return cls(chance.choice(TASKS), chance.choice((0, 1)), chance.random() < 0.4)

    def words(self, base: Path, folder: Path) -> list[object]:
        """The command line, which is that of every start."""
        data = {
            "detection": bases.coco_words(base / "coco"),
            "classification": bases.classification_words(base / "classes/folders"),
            "segmentation": bases.segmentation_words(base / "masks"),
        }
        length = [f"schedule.steps={STEPS}", f"schedule.reference_steps={STEPS}"]
        grid = ["schedule.milestones=[]", "run.save_every=1", "run.eval_every=4", "run.log_every=1"]
        average = ["optim.name=adamw", "optim.ema_decay=0.9", f"data.workers={self.workers}"]
        names = [*data[self.task], *length, *grid, *average, "run.resume=auto"]
        return ["train", base / f"{self.task}.yaml", *names, f"run.output_dir={folder}"]


def straight_run(base: Path, task: str) -> Path:
    """Where the undisturbed run of a task is."""
    return base / "straight" / task


def run_seconds(straight: Path) -> float:
    """How long an undisturbed run took."""
    return float(straight.with_suffix(".seconds").read_text())


def train_straight(base: Path, tasks: Collection[str]) -> None:
    """Train each of these tasks once, undisturbed, and note how long it took."""
    for task in tasks:
        folder = straight_run(base, task)
        words = Script(task, 0, False).words(base, folder)
        ended = begin(words, base, f"straight-{task}").wait()
        assert ended.status == 0, ended.error
        folder.with_suffix(".seconds").write_text(str(ended.seconds))


def kill_until_done(place: Place) -> Verdict:
    """Kill one training twice, at random moments, and let it be resumed to its end."""
    script = Script.draw(place.chance)
    straight = straight_run(place.base, script.task)
    seconds = run_seconds(straight)
    shares = [place.chance.uniform(0.02, 0.98) for _ in range(KILLS)]
    whom = "the group" if script.group else "the process"
    moments = ", ".join(f"{share:.0%}" for share in shares)
    said = f"{script.task}, {script.workers} workers: {whom} killed at {moments} of a run's time"
    words = script.words(place.base, Path("run"))
    killed: list[Started] = []
    for share in shares:
        killed.append(begin_killed(place, words, share * seconds, group=script.group))
    ended = begin(words, place.folder, "resumed").wait()
    fault = fault_of("resumed", ended)
    if fault is not None or ended.status:
        return Verdict(fault[0] if fault else Outcome.LOST, said, ended.line)
    if not all(started.is_gone(PATIENCE) for started in killed):
        return Verdict(Outcome.ODD, said, f"loader workers are there {PATIENCE:g} s later")
    return compare(place, straight, said)


def begin_killed(place: Place, words: list[object], seconds: float, *, group: bool) -> Started:
    """Start a training and kill it so much later, unless it ended before."""
    started = begin(words, place.folder, "killed")
    if started.poll(seconds) is None:
        started.kill(group=group)
        started.poll(PATIENCE)  # the process itself; its workers end by themselves
    return started


def compare(place: Place, straight: Path, said: str) -> Verdict:
    """Whether the run in the case's folder is the undisturbed one to the last bit."""
    folder = place.folder / "run"
    ended = call(lambda: _compare(folder, straight), place.folder, "compare")
    if ended.status:
        return Verdict(Outcome.CHANGED, said, ended.line)
    return Verdict(Outcome.DONE, said)


def _compare(folder: Path, straight: Path) -> int:
    for name in ("last.pt", "best.pt"):
        if not same(_state(folder / name), _state(straight / name)):
            print(f"{name} differs", file=sys.stderr)
            return 1
    if _rows(folder) != _rows(straight):
        print("metrics.jsonl differs", file=sys.stderr)
        return 1
    left = [path.name for path in folder.iterdir() if path.name.endswith(".partial")]
    if left:
        print(f"left behind: {left}", file=sys.stderr)
    return len(left)


def _state(path: Path) -> list[Any]:
    """What a checkpoint holds, but for the settings, in which folders differ."""
    saved = read_checkpoint(path)
    optimizer = saved.optimizer if saved.is_resumable else None
    return [saved.progress.to_json(), saved.model, saved.ema, optimizer]


def _rows(folder: Path) -> list[Row]:
    """The rows of metrics.jsonl without what the clock decides."""
    rows = read_metrics(folder / "metrics.jsonl")
    return [{key: row[key] for key in row if key not in TIMES} for row in rows]


KINDS = (Kind("kills", f"runs killed {KILLS} times each and resumed", 25, 1, kill_until_done),)
