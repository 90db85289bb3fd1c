"""Batches that do not come end the wait with one line (fault_campaign 14, gpu_audit B5)."""

import gc
import os
import resource
import signal
import time
import warnings
from itertools import count
from pathlib import Path

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.engine import machine, waiting
from tasks.engine.loading import Loader, Share, read_in_turn
from tasks.engine.machine import Space
from tasks.engine.waiting import LoaderWarning, refuse_unfit, size_of
from tasks.engine.wish import Stopped, ask_for_stop


class Stops:
    """Loads numbers, until its process stops itself."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, plan: int) -> int:
        if plan == self.at:
            time.sleep(0.2)  # in which another thread hands on what was made before
            os.kill(os.getpid(), signal.SIGSTOP)
        return plan

    def __iter__(self):
        return map(self, count())


def of_plans(timeout: float):
    return Loader(Stops(1), workers=1, timeout=timeout).batches(range(3))


def of_streams(timeout: float):
    return read_in_turn([Stops(1)], 1, Share(), timeout)


@pytest.mark.parametrize("batches", [of_plans, of_streams])
def test_a_stopped_worker_ends_the_wait_by_its_name_and_is_ended(batches) -> None:
    stream = batches(0.7)
    assert next(stream) == 0
    rule = r"data.timeout=0.7 seconds, but process (\d+) is stopped \(state T\); `kill -CONT \1`"
    with pytest.raises(UserError, match=rule) as error:
        next(stream)
    process = int(str(error.value).split("but process ")[1].split()[0])
    del error, stream
    gc.collect()
    assert machine.state(process) in ("", "Z")


def test_a_wait_ends_once_a_stop_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.3)
    stream = of_plans(60.0)
    assert next(stream) == 0
    ask_for_stop(True)
    try:
        with pytest.raises(Stopped):
            next(stream)
    finally:
        ask_for_stop(False)


def past_a_limit_of_files(_plan: int) -> torch.Tensor:
    """A batch that cannot be handed over, as shared memory is a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    return torch.zeros(100_000)


def test_a_batch_that_cannot_be_handed_over_ends_the_wait_at_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Found by the campaign under `ulimit -f`; torch would print a traceback and wait on."""
    stream = Loader(past_a_limit_of_files, workers=1, timeout=300.0).batches([0])
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        next(stream)
    told = capfd.readouterr().err
    assert "a batch must be handed over by the loader's process that made it, got: " in told
    assert "Traceback" not in told


def test_a_batch_that_does_not_fit_into_shared_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "shared_memory", lambda: Space(64_000_000, 30_000_000))
    stream = Loader(torch.zeros, workers=1).batches([[10_000_000]])
    seen = r"workers=1, got one of 40 MB and 30 MB free of 64 MB; .* --shm-size=8g"
    with pytest.raises(UserError, match=seen):
        next(stream)
    refuse_unfit(torch.zeros(7_500_000), 1)  # 30 MB


def test_shared_memory_that_cannot_hold_what_is_read_ahead_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two workers read two batches each ahead."""
    monkeypatch.setattr(waiting, "shared_memory", lambda: Space(20_000, 15_999))
    said = (
        r"hold 0.016 MB for data.workers=2, 2 batches of 0.004 MB for each, and has 0.016 MB free"
    )
    with pytest.warns(LoaderWarning, match=said):
        list(Loader(torch.zeros, workers=2).batches([[1000]]))
    monkeypatch.setattr(waiting, "shared_memory", lambda: Space(20_000, 16_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(Loader(torch.zeros, workers=2).batches([[1000]]))


def test_the_bytes_of_a_batch() -> None:
    item = {"a": [torch.zeros(2, 3), (torch.zeros(4, dtype=torch.uint8), "text")], "b": 1}
    assert size_of(item) == 24 + 4


def test_the_state_of_a_process_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text("7 (a) T (b) D 1 7 7 0 -1")
    monkeypatch.setattr(machine, "PROC", tmp_path)
    assert [machine.state(7), machine.state(8)] == ["D", ""]


@pytest.mark.parametrize(
    ("shared", "memory", "way_out"),
    [
        (Space(64_000_000, 60_000_000), Space(10**10, 10**9), "--shm-size=8g"),
        (Space(10**10, 10**9), Space(10**10, 10**8), "allow more memory"),
        (Space(10**10, 10**9), Space(10**10, 10**9), "raise data.timeout"),
    ],
)
def test_a_worker_that_lives_and_gives_nothing(
    shared: Space, memory: Space, way_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "shared_memory", lambda: shared)
    monkeypatch.setattr(waiting, "memory", lambda: memory)
    stream = Loader(lambda plan: time.sleep(0.5), workers=1, timeout=0.1).batches([0])
    seen = rf"/dev/shm has {shared}, memory {memory}"
    found = rf"none from processes \d+ in state S; {seen}; .*{way_out}"
    with pytest.raises(UserError, match=found):
        next(stream)
