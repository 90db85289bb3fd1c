"""The miniature run, as a module and as a process."""

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("toy_run.py")
RunToy = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    specification = importlib.util.spec_from_file_location("toy_run", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["toy_run"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def run_toy() -> RunToy:
    """Run the script with overrides and extra environment, in one process or under torchrun; its
    finished process.
    """

    def start(
        *overrides: str, launcher: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *launcher, str(SCRIPT), *overrides]
        return subprocess.run(
            command,
            env=with_path(environment),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return start


@pytest.fixture(scope="session")
def run_two_ranks() -> RunToy:
    """Run the script on two ranks, without torchrun's own start-up; one finished process that
    stands for both.
    """

    def start(*overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        everything = environment | {
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        command = [sys.executable, str(SCRIPT), *overrides]
        ranks = [
            subprocess.Popen(
                command,
                env=with_path(everything | {"RANK": rank, "LOCAL_RANK": rank}),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in ("0", "1")
        ]
        outputs = [process.communicate(timeout=120) for process in ranks]
        code = max(abs(process.returncode) for process in ranks)
        return subprocess.CompletedProcess(
            command, code, *("".join(texts) for texts in zip(*outputs, strict=True))
        )

    return start


def with_path(environment: dict[str, str]) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
