"""How many threads are chosen; the machine's files are made up, and nothing is timed."""

from pathlib import Path

import pytest
import torch

from tasks import cores
from tasks.engine import threads
from tasks.engine.distributed import World
from tasks.engine.threads import ThreadChoice, choose_threads, free_cores, one_thread, use_threads

CPU = World(0, 0, 1, torch.device("cpu"))
GPU = World(0, 0, 1, torch.device("cuda"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of four cores without a quota, for a user who gave no number."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(threads, "OF_TORCH", 4)
    for module in (cores, threads):
        monkeypatch.setattr(module, "allowed_cpus", lambda: frozenset(range(4)))
    return tmp_path


def leave_free(monkeypatch: pytest.MonkeyPatch, free: float | None) -> None:
    monkeypatch.setattr(threads, "free_cores", lambda wanted, system: free)


@pytest.mark.parametrize(
    ("free", "number"), [(3.9, 4), (3.5, 4), (3.4, 3), (1.2, 1), (0.0, 1), (None, 4)]
)
def test_auto_takes_the_cores_that_others_leave_free(
    machine: Path, monkeypatch: pytest.MonkeyPatch, free: float | None, number: int
) -> None:
    leave_free(monkeypatch, free)
    assert choose_threads("auto", CPU, system=machine).number == number


def test_the_reason_is_told(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 0.96)
    group, quota = machine / "proc/self/cgroup", machine / "sys/fs/cgroup/cpu.max"
    group.parent.mkdir(parents=True)
    quota.parent.mkdir(parents=True)
    group.write_text("0::/\n")
    quota.write_text("150000 100000\n")
    choice = choose_threads("auto", CPU, system=machine)
    allowed = "4 cores, of which the container allows 1.5"
    assert str(choice) == f"1 thread: {allowed}; 1.0 are free"
    assert choice.limit == 2


def test_no_more_threads_than_torch_takes_by_itself(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where every second core is a twin of another."""
    leave_free(monkeypatch, 4.0)
    monkeypatch.setattr(threads, "OF_TORCH", 2)
    choice = choose_threads("auto", CPU, system=machine)
    assert choice.number == 2
    assert choice.reason.startswith("torch takes 2 on this machine")


def test_a_number_in_the_environment_wins_over_auto_and_stays(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(threads, "OF_TORCH", 3)
    choice = choose_threads("auto", CPU, recorded=2, system=machine)
    assert (choice.number, choice.follows) == (3, False)
    assert choice.reason == (
        "OMP_NUM_THREADS=3; it was saved with 2, so the last bits may differ from there on"
    )


def test_a_setting_wins_over_all_and_stays(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    choice = choose_threads(6, CPU, recorded=6, system=machine)
    assert (choice.number, choice.reason, choice.follows) == (6, "run.threads=6", False)


@pytest.mark.parametrize(("recorded", "number"), [(2, 2), (4, 4), (5, 3)])
def test_a_resumed_run_begins_with_its_number_where_there_are_so_many_cores(
    machine: Path, monkeypatch: pytest.MonkeyPatch, recorded: int, number: int
) -> None:
    leave_free(monkeypatch, 3.0)
    choice = choose_threads("auto", CPU, recorded=recorded, system=machine)
    assert (choice.number, choice.follows) == (number, True)


def test_the_processes_of_a_machine_share_its_cores(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, 4.0)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert choose_threads("auto", CPU, system=machine).number == 2


def test_ranks_take_the_smallest_number_of_all_and_keep_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Two(World):
        def largest(self, value: int) -> int:
            return max(value, -3)  # the other rank has three

    leave_free(monkeypatch, 4.0)
    choice = choose_threads("auto", Two(0, 0, 2, torch.device("cpu")), system=machine)
    assert (choice.number, choice.follows) == (3, False)


def test_cores_are_not_watched_for_a_gpu(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "free_cores", lambda wanted, system: pytest.fail("watched"))
    choice = choose_threads("auto", GPU, system=machine)
    assert (choice.number, choice.follows) == (4, False)


def watched(folder: Path, idle: int, won: int | None) -> float | None:
    """Free cores of two of which, in 2 x 100 ticks, `idle` were; `won` of them can be won."""
    path = folder / "proc/stat"
    path.parent.mkdir()
    path.write_text("cpu0 0 0 0 1 0 0 0 0\ncpu1 0 0 0 1 0 0 0 0\n")

    def wait(seconds: float) -> None:
        half = idle // 2
        lines = [f"cpu{core} {100 - half} 0 0 {1 + half} 0 0 0 0" for core in (0, 1)]
        path.write_text("\n".join(lines))

    def win(count: int, seconds: float) -> int:
        assert count == 2
        return pytest.fail("tried") if won is None else won

    return free_cores(2, folder, wait, frozenset({0, 1}), win)


@pytest.mark.parametrize(
    ("idle", "won", "free"),
    [(200, None, 2.0), (80, 0, 0.8), (80, 1, 1.0), (0, 2, 2.0), (0, 0, 0.0)],
)
def test_free_cores_are_idle_or_can_be_won(
    tmp_path: Path, idle: int, won: int | None, free: float
) -> None:
    """Nothing is tried out on a machine that idles."""
    assert watched(tmp_path, idle, won) == free


def test_free_cores_are_unknown_where_the_system_does_not_say(tmp_path: Path) -> None:
    assert free_cores(2, tmp_path, lambda seconds: None) is None


def test_threads_come_back_after_one_thread() -> None:
    before = torch.get_num_threads()
    use_threads(ThreadChoice(2, "", 2))
    with one_thread():
        inside = torch.get_num_threads()
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert (inside, after) == (1, 2)
