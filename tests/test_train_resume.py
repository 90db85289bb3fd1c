"""Training through the command line that is killed or stopped anywhere ends as if it had not been,
to the last bit.
"""

import signal
from pathlib import Path

import pytest
from command_line import TRAIN, FinishedRun, Running, assert_same_run, command_line, finish, train

from tasks.engine.checkpoint import read_checkpoint


@pytest.mark.slow
def test_killed_off_the_save_grid(finished_run: FinishedRun, tmp_path: Path) -> None:
    arguments = (*finished_run.arguments, f"run.output_dir={tmp_path}")
    running = Running(command_line(TRAIN, *arguments)).until("step 9/14").send(signal.SIGKILL)
    assert running.end() == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "last.pt").step == 8
    assert "resumed after step 8 of 14" in train(*arguments, "run.resume=auto")
    assert_same_run(tmp_path, finished_run.folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("save", "saved"),
    [
        (2, 4),  # last.pt of step 8
        (3, 8),  # best.pt of step 8, scored but not yet said to be
        (1, 0),  # the very first, of step 4
    ],
)
def test_killed_inside_a_save(
    finished_run: FinishedRun, tmp_path: Path, save: int, saved: int
) -> None:
    arguments = (*finished_run.arguments, f"run.output_dir={tmp_path}")
    running = Running(command_line("tests/dies_saving.py", save, TRAIN, *arguments))
    assert running.end() == -signal.SIGKILL, running.printed
    last = tmp_path / "last.pt"
    assert (read_checkpoint(last).step if last.exists() else 0) == saved
    train(*arguments, "run.resume=auto")
    assert_same_run(tmp_path, finished_run.folder)


def test_stopped_by_signals_and_resumed_by_the_printed_commands(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    folder = tmp_path / "a run"
    first = Running(command_line(TRAIN, *finished_run.arguments, f"run.output_dir={folder}")).until(
        "step 2/14"
    )
    step, resume = stopped(first.send(signal.SIGTERM), folder, 128 + signal.SIGTERM)
    second = Running(resume).until(f"resumed after step {step} of 14").until("/14  loss")
    later, resume = stopped(second.send(signal.SIGINT), folder, 128 + signal.SIGINT)
    assert 2 <= step < later < 14
    assert f"resumed after step {later} of 14" in finish(resume)
    assert_same_run(folder, finished_run.folder)


def stopped(running: Running, folder: Path, status: int) -> tuple[int, str]:
    """The step after which a run stopped, and the command that it printed last."""
    assert running.end() == status, running.printed
    assert "Traceback" not in running.printed
    step = read_checkpoint(folder / "last.pt").step
    *_, said, command = running.printed.splitlines()
    assert said == f"stopped after step {step}; this continues:"
    return step, command


@pytest.mark.slow
def test_two_ranks_stopped_by_signals_and_resumed_by_the_printed_commands(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    arguments = (*finished_run.arguments, "schedule.steps=9")
    train(*arguments, f"run.output_dir={tmp_path / 'straight'}", ranks=2)
    running = Running(
        command_line(TRAIN, *arguments, f"run.output_dir={tmp_path / 'stopped'}", ranks=2)
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        running.until("/9  loss").send(number)
        assert running.end() != 0, running.printed
        before, _, after = running.printed.partition("; this continues:\n")
        running = Running(after.splitlines()[0]).until(
            f"resumed {before.splitlines()[-1].removeprefix('stopped ')} of 9"
        )
    assert running.end() == 0, running.printed
    assert_same_run(tmp_path / "stopped", tmp_path / "straight")
