"""Cases dealt to a few processes, and what they found, collected."""

import json
import os
import shutil
import struct
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from campaign.case import Case
from campaign.kind import Kind, Place
from campaign.outcomes import GOOD, Outcome, Verdict

TICKET = struct.Struct("I")
"""A case's place in the list, as it goes through a pipe."""

SHOWN = 300
"""Characters of a text; a line of two of them goes through a pipe in one piece."""


@dataclass(frozen=True)
class Found:
    """A case and what came of it."""

    case: Case
    verdict: Verdict
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether the product did right."""
        return self.verdict.outcome in GOOD


def run_case(case: Case, kind: Kind, base: Path, work: Path, keep: Path | None) -> Found:
    """Run a case in a folder of its own, which is kept in `keep` where the product did wrong."""
    folder = work / f"{case.kind}-{case.index}"
    folder.mkdir(parents=True)
    began = time.monotonic()
    verdict = kind.run(Place(base, folder, case.chance))
    short = Verdict(verdict.outcome, verdict.said[:SHOWN], verdict.detail[:SHOWN])
    found = Found(case, short, time.monotonic() - began)
    if keep is not None and not found.is_good:
        kept = keep / str(case).replace(":", "-")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.move(folder, kept)
        (kept / "case.txt").write_text(describe(found) + "\n", errors="backslashreplace")
    shutil.rmtree(folder, ignore_errors=True)
    return found


def describe(found: Found) -> str:
    """One line for people."""
    verdict = found.verdict
    parts = (str(found.case), verdict.outcome, verdict.said, verdict.detail)
    return "  ".join(part for part in parts if part)


def run_all(
    cases: Sequence[Case],
    run: Callable[[Case], Found],
    processes: int,
    deadline: float | None = None,
) -> Iterator[Found]:
    """Run cases in so many processes at once; what they find, as it is found.

    None is begun after `deadline`, of `time.monotonic`.
    """
    tickets, deal = os.pipe()
    for number in range(len(cases)):
        os.write(deal, TICKET.pack(number))
    os.close(deal)
    answers, answer = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            os.close(answers)
            _serve(cases, run, (tickets, answer), deadline)
    os.close(answer)
    os.close(tickets)
    with os.fdopen(answers, encoding="utf-8") as stream:
        for line in stream:
            yield _read(json.loads(line))
    for _ in range(processes):
        os.wait()


def _serve(
    cases: Sequence[Case],
    run: Callable[[Case], Found],
    pipes: tuple[int, int],
    deadline: float | None,
) -> NoReturn:
    """Run cases until none is left or the time is up."""
    tickets, answer = pipes
    try:
        while ticket := os.read(tickets, TICKET.size):
            if deadline is not None and time.monotonic() > deadline:
                break
            found = run(cases[TICKET.unpack(ticket)[0]])
            line = json.dumps(asdict(found)) + "\n"
            os.write(answer, line.encode())
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _read(content: dict[str, object]) -> Found:
    case = Case(**content["case"])
    verdict = content["verdict"]
    verdict["outcome"] = Outcome(verdict["outcome"])
    return Found(case, Verdict(**verdict), content["seconds"])
