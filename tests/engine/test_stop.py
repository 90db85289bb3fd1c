"""Signals are remembered, and the command that resumes can be typed as printed."""

import os
import signal

import pytest
import torch

from tasks.engine.commands import resume_command
from tasks.engine.distributed import World
from tasks.engine.stop import StopRequest

WORLD = World(0, 0, 1, torch.device("cpu"))


def test_a_signal_is_remembered_and_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest(WORLD) as stop:
        assert not stop.agreed()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.agreed()
        assert stop.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_stops_a_single_process_at_once() -> None:
    with StopRequest(WORLD) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.agreed()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_command_of_one_process() -> None:
    command = resume_command(
        ["python", "tools/train.py", "a b.yaml", "run.resume=never", "optim.lr=1"], {}
    )
    assert command == "python tools/train.py 'a b.yaml' optim.lr=1 run.resume=auto"


def test_the_command_under_torchrun() -> None:
    environment = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "1"}
    command = resume_command(["/usr/bin/python", "-u", "tools/train.py", "optim.lr=1"], environment)
    launcher = "/usr/bin/python -m torch.distributed.run --nproc-per-node 2 --standalone"
    assert command == f"{launcher} tools/train.py optim.lr=1 run.resume=auto"
