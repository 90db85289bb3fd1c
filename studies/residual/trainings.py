"""Run the trainings of a study, each in a process of its own; finished ones are skipped."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import IO

from resnet_backbones.errors import UserError
from studies.residual.one_run import MACHINE, SCORES, Job
from studies.residual.points import FULL_TEST, FULL_TRAIN
from studies.residual.processes import Processes, Task
from studies.residual.study import RECIPE, Plan, Run
from tasks.engine.run_files import METRICS
from tasks.metrics_file import Row, read_metrics

ONE_RUN = "studies.residual.one_run"


class StudyStopped(Exception):  # noqa: N818 - it is not an error
    """A signal asked the study to end, and its trainings have been saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def only_process(out: Path) -> Iterator[IO[str]]:
    """Lock a folder of runs; a training that outlives a killed study keeps the lock.

    UserError if another study, or such a training, holds it.
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


def carry_out(plan: Plan, runs: Sequence[Run], jobs: int, lock: IO[str]) -> Iterator[Run]:
    """Start or resume trainings, up to `jobs` side by side; yield each as it is finished.

    StudyStopped if a signal ended it; UserError if a training failed, whose own output says why.
    """
    by_name = {run.name: run for run in runs}
    tasks = [_task(plan, run, jobs) for run in runs]
    processes = Processes(jobs, lock.fileno())
    failed: list[Task] = []
    for task, status in processes.run(tasks):
        if status == 0:
            yield by_name[task.name]
        elif not processes.received and not failed:
            failed.append(task)
            processes.tell(SIGTERM)  # the others save, and go on next time
    if processes.received:
        raise StudyStopped(processes.received[0])
    for task in failed:
        where = "its last lines say why" if task.log is None else f"{task.log} says why"
        raise UserError(f"a training must succeed, and {task.name} did not; {where}")


def _task(plan: Plan, run: Run, jobs: int) -> Task:
    """The task that finishes a run; with several jobs its output goes to a file."""
    sets = {FULL_TRAIN: plan.train_archive(), FULL_TEST: plan.images.archive("val")}
    job = Job(
        folder=str(run.folder),
        train=None if is_trained(run) else [RECIPE, *run.overrides],
        full={name: str(archive.path) for name, archive in sets.items()},
    )
    if jobs == 1:
        return Task(run.name, ONE_RUN, (job.as_json(),))
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    return Task(run.name, ONE_RUN, (job.as_json(),), Path(f"{run.folder}.log"))


def is_trained(run: Run) -> bool:
    """Whether the last step was scored, and the machine was written."""
    steps = run.config.schedule.steps
    scored = any(row["step"] == steps and "val/top1" in row for row in _rows(run))
    return scored and (run.folder / MACHINE).exists()


def is_finished(run: Run) -> bool:
    """Whether all training and test images were scored too."""
    return is_trained(run) and all(
        (run.folder / name / SCORES).exists() for name in (FULL_TRAIN, FULL_TEST)
    )


def state_of(run: Run) -> str:
    """Progress of a run in words."""
    if is_finished(run):
        return "finished"
    if is_trained(run):
        return "trained, full sets to be scored"
    rows = _rows(run)
    steps = run.config.schedule.steps
    return f"step {rows[-1]['step']} of {steps}" if rows else f"0 of {steps} steps"


def _rows(run: Run) -> list[Row]:
    path = run.folder / METRICS
    return read_metrics(path) if path.exists() else []
