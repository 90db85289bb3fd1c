"""When a run changes its number of threads; readings are made up, ten seconds apart."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tasks.cores import CoreTimes
from tasks.engine import thread_follower, threads
from tasks.engine.distributed import World
from tasks.engine.thread_follower import Reading, ThreadFollower
from tasks.engine.threads import ThreadChoice
from tasks.metrics_file import read_metrics

CORES = 4


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def readings(*looks: tuple[float, float]) -> Callable[[], Reading]:
    """Of looks at which this run got so many cores, and so many were idle."""
    made = [Reading(0.0, CoreTimes(0, 0, CORES), 0.0)]
    for got, idle in looks:
        last = made[-1]
        ticks = CoreTimes(last.cores.idle + round(idle * 1000), last.cores.total + 4000, CORES)
        made.append(Reading(last.at + 10, ticks, last.ours + 10 * got))
    rest = iter(made)
    return lambda: next(rest)


def numbers(begin: int, *looks: tuple[float, float], limit: int = CORES) -> list[int]:
    """The number of threads after each look."""
    choice = ThreadChoice(begin, "", limit, follows=True)
    follower = ThreadFollower(choice, readings(*looks))
    after: list[int] = []
    for _ in looks:
        follower.judge()
        after.append(follower.number)
    return after


def test_a_run_that_gets_its_cores_keeps_its_threads() -> None:
    assert numbers(4, (3.9, 0.0), (3.6, 0.1), (3.5, 0.0)) == [4, 4, 4]


def test_a_run_that_waits_for_data_keeps_its_threads() -> None:
    assert numbers(4, (0.5, 3.5), (0.5, 3.5)) == [4, 4]


def test_two_looks_without_cores_lower_the_number() -> None:
    assert numbers(4, (1.3, 0.0), (1.4, 0.1), (1.0, 0.0)) == [4, 2, 2]


def test_the_milder_of_two_looks_counts() -> None:
    assert numbers(4, (1.0, 0.0), (3.0, 0.0)) == [4, 3]
    assert numbers(1, (1.0, 3.0), (1.0, 1.0)) == [1, 2]


def test_at_least_one_is_left() -> None:
    assert numbers(2, (0.3, 0.0), (0.4, 0.0)) == [2, 1]


def test_one_look_alone_changes_nothing() -> None:
    assert numbers(4, (1.0, 0.0), (4.0, 0.0), (1.0, 0.0), (4.0, 0.0)) == [4, 4, 4, 4]


def test_cores_that_become_free_are_taken_up_to_the_limit() -> None:
    assert numbers(1, (1.0, 2.0), (1.0, 2.0)) == [1, 3]
    assert numbers(1, (1.0, 3.0), (1.0, 3.0), limit=2) == [1, 2]


def test_a_busy_machine_gives_no_more() -> None:
    assert numbers(1, (0.9, 0.0), (0.9, 0.4)) == [1, 1]


def test_torch_gets_the_number_and_the_user_a_line() -> None:
    torch.set_num_threads(2)
    choice = ThreadChoice(2, "", 2, follows=True)
    follower = ThreadFollower(choice, readings((0.6, 0.0), (0.7, 0.04)))
    assert follower.judge() is None
    line = follower.judge()
    assert line == (
        "1 thread instead of 2: this run got 0.7 cores and 0.0 were idle; run.threads=N keeps a"
        " number"
    )
    assert torch.get_num_threads() == 1


def test_a_system_that_does_not_say_is_not_followed() -> None:
    follower = ThreadFollower(ThreadChoice(2, "", 2, follows=True), lambda: None)
    assert follower.look() is None


def test_no_look_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    follower = ThreadFollower(ThreadChoice(2, "", 2, follows=True), readings((0.0, 0.0)))
    monkeypatch.setattr(thread_follower.time, "monotonic", lambda: 9.9)
    follower.look()
    assert follower.last is not None
    assert follower.last.at == 0.0
    monkeypatch.setattr(thread_follower.time, "monotonic", lambda: 10.0)
    follower.look()
    assert follower.last.at == 10.0


def test_a_run_says_and_records_a_new_number(
    toy: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At the third of four steps."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "free_cores", lambda wanted, system: 2.0)
    looks = iter([None, None, "1 thread instead of 2", None])
    monkeypatch.setattr(ThreadFollower, "look", lambda self: next(looks))
    world = World(0, 0, 1, torch.device("cpu"))
    toy.run(toy.toy_config(tmp_path, "schedule.steps=4", "run.log_every=2"), world)
    assert "step 3: 1 thread instead of 2" in capsys.readouterr().out
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if "threads" in row] == [3]
