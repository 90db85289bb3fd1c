"""Signals are remembered, and the command that resumes can be typed as printed."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from tasks.engine import commands
from tasks.engine.commands import command, resume_command
from tasks.engine.distributed import World
from tasks.engine.stop import StopRequest, Wish

WORLD = World(0, 0, 1, torch.device("cpu"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_remembered_and_the_old_handler_comes_back(number: int, status: int) -> None:
    before = signal.getsignal(number)
    signal.signal(number, signal.SIG_DFL)  # whatever started the tests
    with StopRequest(WORLD) as stop:
        assert stop.agreed() is Wish.NOTHING
        os.kill(os.getpid(), number)
        assert stop.agreed() is Wish.STOP
        assert stop.exit_code == status
    assert signal.getsignal(number) == signal.SIG_DFL
    signal.signal(number, before)


def test_a_save_is_asked_for_once() -> None:
    with StopRequest(WORLD) as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert [stop.agreed(), stop.agreed()] == [Wish.SAVE, Wish.NOTHING]
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.agreed() is Wish.STOP


def test_an_interrupt_is_obeyed_in_the_background() -> None:
    """There shells have their children ignore it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest(WORLD) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.agreed() is Wish.STOP
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_that_nohup_started_ignores_that_its_terminal_is_gone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest(WORLD) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.agreed() is Wish.NOTHING
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_interrupt_stops_a_single_process_at_once() -> None:
    with StopRequest(WORLD) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.agreed() is Wish.STOP
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_command_of_one_process() -> None:
    typed = ["python", "tools/train.py", "a b.yaml", "run.resume=never", "optim.lr=1"]
    continued = "python tools/train.py 'a b.yaml' optim.lr=1 run.resume=auto"
    assert resume_command(typed, {}) == continued


def test_a_run_that_python_started_is_continued_in_python() -> None:
    for arguments in (
        ["python", "mine.py"],
        ["python", "-m", "ipykernel", "-f", "k.json"],
        ["python"],
    ):
        assert resume_command(arguments, {}) == 'the same call again with run={"resume": "auto"}'


@pytest.fixture
def environment_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's folder of programs, which is not on the PATH; a checkout's scripts."""
    folder = tmp_path / "venv/bin"
    folder.mkdir(parents=True)
    for name in ("python", "backbones", "torchrun"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_program_that_the_shell_would_not_find_is_named_by_its_path(
    environment_of_ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(environment_of_ours / "backbones")])
    assert command("predict", "a b") == "venv/bin/backbones predict 'a b'"
    typed = ["python", str(environment_of_ours / "backbones"), "train", "quickstart"]
    continued = "venv/bin/backbones train quickstart run.resume=auto"
    assert resume_command(typed, {}) == continued
    ranks = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2"}
    launcher = "venv/bin/torchrun --no-python --nproc-per-node 2 --standalone"
    assert resume_command(typed, ranks) == f"{launcher} {continued}"
    monkeypatch.setenv("PATH", str(environment_of_ours))
    assert command("predict", "a b") == "backbones predict 'a b'"
    assert resume_command(typed, ranks).startswith("torchrun --no-python ")


def test_another_environments_program_is_not_meant(
    environment_of_ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "backbones").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other))
    assert command("recipes") == "venv/bin/backbones recipes"


def test_scripts_of_the_checkout_name_each_other(
    environment_of_ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("train_det", "eval_det", "train_cls", "eval_cls", "predict", "check_data"):
        (tools / f"{name}.py").touch()
    monkeypatch.setattr(commands, "TOOLS", tools)
    monkeypatch.setattr(sys, "argv", ["tools/train_cls.py"])
    assert command("eval", "runs/a") == "venv/bin/python tools/eval_cls.py runs/a"
    assert command("train", "b", task="det") == "venv/bin/python tools/train_det.py b"
    assert command("predict") == "venv/bin/python tools/predict.py"
    assert command("check") == "venv/bin/python tools/check_data.py"
    assert command("recipes") == "venv/bin/backbones recipes"
    monkeypatch.setattr(commands, "TOOLS", tmp_path / "site/tools")
    assert command("predict") == "venv/bin/backbones predict", "somebody else's tools/"


def test_the_command_under_torchrun() -> None:
    environment = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "1"}
    typed = ["/usr/bin/python", "-u", "tools/train.py", "optim.lr=1"]
    launcher = "/usr/bin/python -m torch.distributed.run --nproc-per-node 2 --standalone"
    continued = f"{launcher} tools/train.py optim.lr=1 run.resume=auto"
    assert resume_command(typed, environment) == continued
