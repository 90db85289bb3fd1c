"""The other processes of a run: where they meet, and whether they live."""

import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import count

from resnet_backbones.errors import UserError
from tasks.engine.rank_environment import Ranks
from tasks.engine.watchdog import end_process

BEAT = 5.0
"""Seconds between two signs of life."""
SILENT = 300.0
"""Seconds without a sign of life after which a process counts as dead."""
ANSWER = timedelta(seconds=60)
"""Time within which the place of meeting must answer."""
LEFT = "left"
PLACE = -1
"""Stands for the place of meeting among the watched ranks."""
LOST = 1
"""Exit status of a process that lost another one; torchrun may start all of them again."""


Seen = dict[int, tuple[str, float]]
"""The last signs of life of ranks, and when each was first seen."""


class Peers:
    """The place where a run's processes meet, and a thread that watches the others.

    The first process watches all, the others watch the first, and each its launcher. A process that
    is silent for long ends the run, as the others would wait for it forever. Long work of a living
    process does not.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        from torch._C._distributed_c10d import PrefixStore, TCPStore  # not in every build

        self.parent: int | None = os.getppid()
        self.name = f"process {os.getpid()} on {socket.gethostname()}"
        hosts = ranks.rank == 0 and not ranks.hosted
        self.place = TCPStore(ranks.address, ranks.port, None, hosts, wait_for_workers=False)
        self.store = PrefixStore(f"restart_{ranks.restarts}", self.place)
        """Prefix for torch's groups: groups of an earlier start have addresses that are gone."""
        # its own connection, as torch may block the other for long
        own = TCPStore(ranks.address, ranks.port, None, False, ANSWER, wait_for_workers=False)
        self.life = PrefixStore(f"life_{ranks.restarts}", own)
        self.meetings = count()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._live, name="peers", daemon=True)
        self.thread.start()

    def meet(self) -> None:
        """Wait until every process has reached the same point, while all of them live.

        UserError if one has left the run instead.
        """
        number = next(self.meetings)
        key = f"meeting/{number}"
        there = self.life.add(key, 1)
        pause = 0.001
        while there < self.ranks.size:
            time.sleep(pause)
            pause = min(0.2, 1.5 * pause)
            there = self.life.add(key, 0)
            if pause == 0.2 and there < self.ranks.size:
                self._refuse_left()
        if self.ranks.rank == 0 and number > 1:
            self.life.delete_key(f"meeting/{number - 2}")  # all have left it

    def remember(self, key: str) -> None:
        """Leave a note for later starts by the same launcher."""
        self.place.set(f"remembered/{key}", "yes")

    def remembers(self, key: str) -> bool:
        """Whether an earlier start by the same launcher left a note."""
        return self.place.check([f"remembered/{key}"])

    def close(self) -> None:
        """Leave, so that nobody waits for a sign of life."""
        self.ended.set()
        self.thread.join()
        with suppress(RuntimeError):  # the first process has left, and with it the place of meeting
            self.life.set(str(self.ranks.rank), LEFT)

    def _live(self) -> None:
        seen: Seen = {}
        for beat in count():
            began = time.monotonic()
            self._end_orphan()
            line = self._look(beat, seen, began)
            if line is not None and not self.ended.is_set():
                end_process(LOST, line)
            if self.ended.wait(BEAT):
                return
            if time.monotonic() - began > 5 * BEAT:  # this process was suspended, maybe with others
                seen.clear()

    def _look(self, beat: int, seen: Seen, now: float) -> str | None:
        """Give a sign of life, and look for the others'; return a line if one is missing for too
        long.
        """
        others = range(self.ranks.size) if self.ranks.rank == 0 else range(1)
        try:
            self.life.set(str(self.ranks.rank), f"{beat} {self.name}")
            found = {rank: self._sign(rank) for rank in others if rank != self.ranks.rank}
            seen.pop(PLACE, None)
        except RuntimeError:
            found = {PLACE: f"0 {self.ranks.address}:{self.ranks.port}"}
        missed = silent(found, seen, now)
        if missed is None:
            return None
        rule = f"rank {self.ranks.rank} of {self.ranks.size} ({self.name})"
        who = "where ranks meet" if missed == PLACE else f"rank {missed}"
        seen_last = found[missed].partition(" ")[2] or "which never began"
        seconds = f"no sign of life for {SILENT:g} seconds"
        return f"{rule}: {who} ({seen_last}) gave {seconds}; run.resume=auto continues the run"

    def _refuse_left(self) -> None:
        """Raise UserError if another process has left."""
        left = [rank for rank in range(self.ranks.size) if self._sign(rank) == LEFT]
        if left:
            rule = "all ranks of a run must go on together"
            raise UserError(f"{rule}, but rank {left[0]} has ended; its own output says why")

    def _sign(self, rank: int) -> str:
        key = str(rank)
        return self.life.get(key).decode() if self.life.check([key]) else ""

    def _end_orphan(self) -> None:
        """Stop as by a signal once the launcher is gone, as it can no longer send one."""
        if self.ranks.launcher != "torchrun" or self.parent is None:
            return
        if os.getppid() != self.parent:
            self.parent = None
            line = f"\nrank {self.ranks.rank}: torchrun has ended, so this process stops too\n"
            os.write(2, line.encode())
            os.kill(os.getpid(), signal.SIGTERM)


def silent(found: Mapping[int, str], seen: Seen, now: float) -> int | None:
    """Find a process whose sign of life has not changed for too long; updates `seen`."""
    for rank, sign in found.items():
        last = seen.get(rank)
        if last is None or last[0] != sign or sign == LEFT:
            seen[rank] = (sign, now)
        elif now - last[1] > SILENT:
            return rank
    return None
