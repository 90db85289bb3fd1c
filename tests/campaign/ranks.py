"""Trainings of two processes, one of which is killed or stopped."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from campaign.kills import Script, compare, run_seconds, straight_run
from campaign.kind import Kind, Place
from campaign.outcomes import Outcome, Verdict, fault_of
from campaign.processes import Ended, Started, start
from tasks.cli.main import main

RANKS = 2
NOTICED = 120.0
"""Seconds in which a rank must notice that its peer is dead."""
SCRIPT = Script("detection", 0, False)
NAME = "ranks"
"""Of the undisturbed run."""


def begin_ranks(words: list[object], folder: Path, name: str) -> list[Started]:
    """Start the ranks of a training, as torchrun does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": RANKS, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    texts = [str(word) for word in words]
    started: list[Started] = []
    for rank in range(RANKS):
        environment = {**world, "RANK": rank, "LOCAL_RANK": rank}
        started.append(start(_as_rank(texts, environment), folder, f"{name}-{rank}"))
    return started


def _as_rank(words: list[str], environment: dict[str, object]) -> Callable[[], int]:
    def action() -> int:
        os.environ.update({key: str(value) for key, value in environment.items()})
        return main(words)

    return action


def train_straight_ranks(base: Path) -> None:
    """Train with two ranks, undisturbed."""
    folder = straight_run(base, NAME)
    ended = _all_ended(begin_ranks(SCRIPT.words(base, folder), base, NAME))
    assert [one.status for one in ended] == [0] * RANKS, ended[0].error + ended[1].error
    folder.with_suffix(".seconds").write_text(str(max(one.seconds for one in ended)))


def _all_ended(started: list[Started]) -> list[Ended]:
    return [one.wait(NOTICED) for one in started]


def kill_rank(place: Place) -> Verdict:
    """Kill one rank; the other must end by itself, and a resumed run as the undisturbed one."""
    straight = straight_run(place.base, NAME)
    words = SCRIPT.words(place.base, Path("run"))
    share = place.chance.uniform(0.05, 0.95)
    number = place.chance.randrange(RANKS)
    said = f"rank {number} killed at {share:.0%} of a run's time"
    started = begin_ranks(words, place.folder, "killed")
    if started[number].poll(share * run_seconds(straight)) is None:
        os.kill(started[number].pid, signal.SIGKILL)
        started[number].poll(1)
    other = started[1 - number].wait(NOTICED)
    if other.timed_out:
        return Verdict(Outcome.SLOW, said, f"the other rank was there {NOTICED:g} s later")
    for ended in _all_ended(begin_ranks(words, place.folder, "resumed")):
        fault = fault_of("resumed", ended)
        if fault is not None or ended.status:
            return Verdict(fault[0] if fault else Outcome.LOST, said, f"resumed: {ended.line}")
    return compare(place, straight, said)


KINDS = (Kind("ranks", "one of two ranks killed, then resumed", 8, 0, kill_rank),)
