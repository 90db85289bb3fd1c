"""Carry out a study's trainings, one process at a time; what was finished is not done again."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

from benchmarks.common import ROOT, machine
from resnet_backbones.errors import UserError
from studies.residual.points import FULL_TEST, FULL_TRAIN
from studies.residual.study import RECIPE, Plan, Run
from tasks.engine.files import write_text
from tasks.engine.run_files import LAST, METRICS
from tasks.metrics_file import read_metrics

MACHINE = "machine.json"
"""Of a run: what it was carried out on."""


class StudyStopped(Exception):  # noqa: N818 - it is no error
    """SIGINT or SIGTERM asked for the end, and what was being done is saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def only_process(out: Path) -> Iterator[IO[str]]:
    """Hold a folder of runs, which a training that outlives a killed study holds on to.

    UserError where another study, or such a training, has it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            rule = "one study at a time uses a folder of runs"
            way_out = "wait for its training to end, or give another --out"
            raise UserError(f"{rule}, got {out}, which is in use; {way_out}") from None
        yield lock


def finish(plan: Plan, run: Run, lock: IO[str]) -> None:
    """Train a network, or go on with it, and score it on the full sets; nothing of that is done
    twice.
    """
    if not is_trained(run):
        run_tool("train_cls", RECIPE, *run.overrides, lock=lock)
        facts = {name: text for name, text in machine().items() if name != "command"}
        write_text(run.folder / MACHINE, json.dumps(facts, indent=1) + "\n")
    sets = {FULL_TRAIN: plan.train_archive(), FULL_TEST: plan.images.archive("val")}
    for name, archive in sets.items():
        if not (run.folder / name / "evaluation.json").exists():
            given = (str(run.folder / LAST), f'data.val="{archive.path}"')
            run_tool("eval_cls", *given, "--out", str(run.folder / name), lock=lock)


def is_trained(run: Run) -> bool:
    """Whether the last step was scored."""
    path = run.folder / METRICS
    rows = read_metrics(path) if path.exists() else []
    steps = run.config.schedule.steps
    return any(row["step"] == steps and "val/top1" in row for row in rows)


def is_finished(run: Run) -> bool:
    """Whether the full sets were scored too."""
    return is_trained(run) and all(
        (run.folder / name / "evaluation.json").exists() for name in (FULL_TRAIN, FULL_TEST)
    )


def state_of(run: Run) -> str:
    """How far a run is, in words."""
    if is_finished(run):
        return "finished"
    if is_trained(run):
        return "trained, full sets to be scored"
    path = run.folder / METRICS
    rows = read_metrics(path) if path.exists() else []
    steps = run.config.schedule.steps
    return f"step {rows[-1]['step']} of {steps}" if rows else f"0 of {steps} steps"


def run_tool(name: str, *arguments: str, lock: IO[str]) -> None:
    """One of our tools in a process of its own, which gets this one's signals and holds its lock.

    StudyStopped where a signal ended it; UserError where it failed, as its own lines say.
    """
    command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *arguments]
    # a session of its own, so that Ctrl-C reaches it once, through this process
    with subprocess.Popen(command, start_new_session=True, pass_fds=(lock.fileno(),)) as child:
        received = _wait(child)
    if received:
        raise StudyStopped(received[0])
    if child.returncode:
        rule = f"{name} must succeed, and ended with status {child.returncode}"
        raise UserError(f"{rule}; its last lines say why")


def _wait(child: subprocess.Popen[bytes]) -> Sequence[int]:
    """Wait for a process that is told of SIGINT and SIGTERM; those that came."""
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        child.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return received
