"""A run that was stopped anywhere ends with the weights of one that was not, to the last bit."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from toy_outcome import assert_same_run, rows

from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.distributed import World
from tasks.metrics_file import read_metrics

SETTINGS = ("optim.ema_decay=0.9", "optim.accumulate=2", "run.log_every=2", "run.save_every=3")


@pytest.fixture(scope="module")
def straight(toy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("straight")
    toy.run(toy.toy_config(folder, *SETTINGS), World(0, 0, 1, torch.device("cpu")))
    assert [row["step"] for row in rows(folder)] == [2, 4, 6, 8, 10, 12]
    return folder


@pytest.mark.parametrize(
    ("where", "count", "saved"),
    [
        ("KILL_AT", "15", 6),  # the first micro-batch of step 8, between the saves of steps 6 and 9
        (
            "KILL_RENAME",
            "4",
            6,
        ),  # the save of step 9: written, not yet renamed (step 6 was saved twice)
        ("KILL_WRITE", "3", 6),  # the best checkpoint of step 6, half written
        ("KILL_AT", "3", 0),  # before the first save: starts again
    ],
)
def test_a_killed_run_resumes_exactly(
    toy: ModuleType,
    run_toy: Callable,
    straight: Path,
    tmp_path: Path,
    where: str,
    count: str,
    saved: int,
) -> None:
    arguments = [f"run.output_dir={tmp_path}", *SETTINGS]
    assert run_toy(*arguments, **{where: count}).returncode == -signal.SIGKILL
    last = tmp_path / "last.pt"
    assert (read_checkpoint(last).step if last.exists() else 0) == saved
    toy.run(
        toy.toy_config(tmp_path, *SETTINGS, "run.resume=auto"), World(0, 0, 1, torch.device("cpu"))
    )
    assert_same_run(tmp_path, straight)


def test_sigterm_finishes_the_step_saves_and_prints_the_command_that_resumes(
    toy: ModuleType, run_toy: Callable, straight: Path, tmp_path: Path
) -> None:
    arguments = [f"run.output_dir={tmp_path}", *SETTINGS, "run.resume=never"]
    stopped = run_toy(*arguments, TERM_AT="9")  # the first micro-batch of step 5
    assert stopped.returncode == 128 + signal.SIGTERM
    assert read_checkpoint(tmp_path / "last.pt").step == 5
    command = stopped.stdout.splitlines()[-1]
    assert command.endswith(
        f"toy_run.py run.output_dir={tmp_path} {' '.join(SETTINGS)} run.resume=auto"
    )
    toy.run(
        toy.toy_config(tmp_path, *SETTINGS, "run.resume=auto"), World(0, 0, 1, torch.device("cpu"))
    )
    assert_same_run(tmp_path, straight)


def test_sigusr1_saves_and_the_run_goes_on(run_toy: Callable, tmp_path: Path) -> None:
    settings = [*SETTINGS, "run.save_every=100", "run.eval_every=0"]
    arguments = [f"run.output_dir={tmp_path}", *settings]
    killed = run_toy(*arguments, SAVE_AT="3", KILL_AT="9")  # micro-batches of steps 2 and 5
    assert killed.returncode == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "last.pt").step == 2


def test_a_rate_that_falls_on_a_plateau_falls_at_the_same_step_after_a_kill(
    toy: ModuleType, run_toy: Callable, tmp_path: Path
) -> None:
    """The evaluation after step 4 lowers the rate; the process dies before the next step."""
    settings = (
        "schedule.name=plateau",
        "schedule.plateau_evaluations=1",
        "schedule.milestones=[]",
        "schedule.warmup_steps=0",
        "optim.lr=1e-30",  # too small to change a score, so that none rises after the first
        "run.eval_every=2",
        "run.save_every=100",
        "run.log_every=1",
    )
    world = World(0, 0, 1, torch.device("cpu"))
    toy.run(toy.toy_config(tmp_path / "straight", *settings), world)
    arguments = [f"run.output_dir={tmp_path / 'killed'}", *settings]
    assert run_toy(*arguments, KILL_AT="5").returncode == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "killed" / "last.pt").step == 4
    toy.run(toy.toy_config(tmp_path / "killed", *settings, "run.resume=auto"), world)
    rates = {
        name: [row["lr"] for row in read_metrics(tmp_path / name / "metrics.jsonl") if "lr" in row]
        for name in ("straight", "killed")
    }
    assert rates["killed"] == rates["straight"]
    factors = [rate / rates["straight"][0] for rate in rates["straight"]]
    assert factors == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4])
