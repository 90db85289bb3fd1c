"""Processes of a run look after each other (gpu_audit B1, fault_campaign 15)."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.detection.config import DetectionConfig
from tasks.engine import peers, shared_folder
from tasks.engine.distributed import World
from tasks.engine.peers import LEFT, SILENT, Peers, Seen, silent
from tasks.engine.rank_environment import Ranks
from tasks.engine.restarts import after_restart, note_begun
from tasks.engine.settings import RunConfig
from tasks.engine.shared_folder import refuse_unshared


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def two() -> Iterator[tuple[Peers, Peers]]:
    """Both of two ranks, in this process."""
    port = free_port()
    both = tuple(Peers(Ranks(rank, rank, 2, "127.0.0.1", port)) for rank in (0, 1))
    yield both
    for one in reversed(both):
        one.close()


def test_who_gives_no_new_sign_of_life_for_long_is_named() -> None:
    seen: Seen = {}
    assert silent({1: "0", 2: "0"}, seen, 100.0) is None
    assert silent({1: "1", 2: "0"}, seen, 100.0 + SILENT) is None
    assert silent({1: "1", 2: "0"}, seen, 101.0 + SILENT) == 2
    assert silent({1: "1", 2: LEFT}, seen, 101.0 + SILENT) is None, "it has left"


def test_whoever_is_there_waits_for_the_other(two: tuple[Peers, Peers]) -> None:
    came: list[str] = []

    def late() -> None:
        time.sleep(0.3)
        came.append("second")
        two[1].meet()

    thread = threading.Thread(target=late)
    thread.start()
    two[0].meet()
    assert came == ["second"]
    thread.join()


def test_nobody_waits_for_who_has_left(two: tuple[Peers, Peers]) -> None:
    two[1].close()
    with pytest.raises(UserError, match="rank 1 has ended; its own output says why"):
        two[0].meet()


class Pair(World):
    """One of two ranks that exchange values through a list."""

    def __init__(self, rank: int, barrier: threading.Barrier, values: list[object]) -> None:
        super().__init__(rank, rank, 2, torch.device("cpu"))
        object.__setattr__(self, "barrier_of_both", barrier)
        object.__setattr__(self, "values", values)

    def gather(self, value: object) -> list[object] | None:
        self.values[self.rank] = value
        self.barrier_of_both.wait()
        found = list(self.values)
        self.barrier_of_both.wait()
        return found if self.rank == 0 else None

    def broadcast(self, value: object) -> object:
        if self.rank == 0:
            self.values[0] = value
        self.barrier_of_both.wait()
        found = self.values[0]
        self.barrier_of_both.wait()
        return found


def refusals(*folders: Path) -> list[str]:
    """What two ranks say of their folders."""
    barrier, values = threading.Barrier(2), [None, None]

    def refusal(rank: int) -> str:
        try:
            refuse_unshared(folders[rank], Pair(rank, barrier, values))
        except UserError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(refusal, (0, 1)))


def test_a_folder_that_not_all_ranks_see_is_refused_on_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_folder, "NEAR", 0.1)
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert refusals(one, one) == ["", ""]
    first, second = refusals(one, other)
    assert first == second
    assert f"rank 1 does not see in {other} on" in first
    assert list(one.iterdir()) == []


def test_a_run_goes_on_only_where_its_launcher_has_begun_it(
    tmp_path: Path, two: tuple[Peers, Peers]
) -> None:
    """The first start of torchrun is restarted; a folder of another run stays refused."""
    world = World(0, 0, 1, torch.device("cpu"), peers=two[0])
    config = _settings(tmp_path)
    note_begun(tmp_path, world)
    assert after_restart(config, world).run.resume == "never", "the same start"
    two[0].ranks = replace(two[0].ranks, restarts=1)
    assert after_restart(config, world).run.resume == "auto"
    assert after_restart(_settings(tmp_path / "used"), world).run.resume == "never"


def _settings(folder: Path) -> DetectionConfig:
    return DetectionConfig(run=RunConfig(output_dir=str(folder)))


def fork(action: Callable[[], None]) -> tuple[int, IO[str]]:
    """A process of its own, and what it prints on stderr."""
    ear, mouth = os.pipe()
    process = os.fork()
    if process == 0:
        os.dup2(mouth, 2)
        os.close(mouth)
        os.close(ear)
        action()
        os._exit(0)
    os.close(mouth)
    return process, os.fdopen(ear)


def test_a_process_whose_launcher_is_killed_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_campaign's table: SIGKILL of torchrun."""
    monkeypatch.setattr(peers, "BEAT", 0.05)
    port = free_port()

    def live() -> None:
        Peers(Ranks(0, 0, 2, "127.0.0.1", port, launcher="torchrun"))
        os.write(2, b"there\n")
        time.sleep(60)

    def launcher() -> None:
        if os.fork() == 0:
            live()
        time.sleep(60)

    process, printed = fork(launcher)
    assert printed.readline() == "there\n"
    killed = time.monotonic()
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert "rank 0: torchrun has ended" in printed.read()  # until the other has ended, too
    assert time.monotonic() - killed < 30


def test_a_process_that_is_silent_for_long_ends_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped, say, or on a machine that is gone."""
    monkeypatch.setattr(peers, "BEAT", 0.05)
    port = free_port()

    def live() -> None:
        watching = Peers(Ranks(0, 0, 2, "127.0.0.1", port))
        while not watching._sign(1):
            time.sleep(0.01)
        peers.SILENT = 0.5
        time.sleep(60)

    process, printed = fork(live)
    monkeypatch.setattr(peers, "BEAT", 60.0)  # here
    silent_one = Peers(Ranks(1, 1, 2, "127.0.0.1", port))
    seen = f"rank 1 (process {os.getpid()} on {socket.gethostname()}) gave no sign of life for 0.5"
    assert seen in printed.read()
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == peers.LOST
    silent_one.close()
