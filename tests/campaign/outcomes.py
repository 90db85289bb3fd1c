"""What came of a case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaign.processes import Ended


class Outcome(StrEnum):
    """How a case ended; the value is what the table says."""

    DONE = "done"
    REFUSED = "refused and named"
    NOTICED = "noticed and named"
    HARMLESS = "without effect on what is read"
    CRASH = "ended by a signal"
    SLOW = "over the time limit"
    TRACEBACK = "traceback"
    CHANGED = "changed without a word"
    LOST = "work lost"
    PASSED = "passed by the check and refused later"
    FORBIDDEN = "called an error by the check and trained"
    UNNAMED = "refused without naming the file"
    ODD = "ended in another way"


GOOD = frozenset((Outcome.DONE, Outcome.REFUSED, Outcome.NOTICED, Outcome.HARMLESS))


@dataclass(frozen=True)
class Verdict:
    """What came of a case, and what shows it."""

    outcome: Outcome
    said: str
    """What was done to the product."""
    detail: str = ""
    """What it answered."""


def fault_of(name: str, ended: Ended) -> tuple[Outcome, str] | None:
    """What no command may end in, whatever it is given; None where it is fine."""
    told = f"{name}: {ended.line}"
    if ended.timed_out:
        seen = f"{ended.seconds:.0f} s, {ended.processor:.0f} s of them computing"
        return Outcome.SLOW, f"{name}: {seen}; {ended.line}"
    if ended.status < 0:
        return Outcome.CRASH, f"{name}: signal {-ended.status}"
    if ended.has_traceback:
        return Outcome.TRACEBACK, told
    if ended.status not in (0, 1, 2):
        return Outcome.ODD, f"{name}: status {ended.status}, {ended.line}"
    return None


def is_named(ended: Ended, names: Sequence[str]) -> bool:
    """Whether an error's line says where the fault is, or that memory ran out."""
    return _lacks_memory(ended) or any(name in ended.error for name in names)


def _lacks_memory(ended: Ended) -> bool:
    """Whether a command ended as the campaign's limit of memory was too small for it."""
    return "must fit into memory" in ended.error


def judge(said: str, steps: Mapping[str, Ended], names: Sequence[str]) -> Verdict:
    """The verdict on commands that were run one after the other on mutated input.

    `names` are those of the files, of which a refusal must name one.
    """
    for name, ended in steps.items():
        fault = fault_of(name, ended)
        if fault is not None:
            return Verdict(fault[0], said, fault[1])
    for name, ended in steps.items():
        if name != "check" and ended.status and not is_named(ended, names):
            return Verdict(Outcome.UNNAMED, said, f"{name}: {ended.line}")
    check = steps.get("check")
    train = steps.get("train")
    if check is not None and train is not None and _disagree(check, train):
        outcome = Outcome.FORBIDDEN if check.status else Outcome.PASSED
        return Verdict(outcome, said, train.line if train.status else _first_error(check))
    refused = [f"{name}: {ended.line}" for name, ended in steps.items() if ended.status]
    outcome = Outcome.REFUSED if refused else Outcome.DONE
    return Verdict(outcome, said, refused[-1] if refused else "")


def _disagree(check: Ended, train: Ended) -> bool:
    """Whether the two say different things; a check that says what it left out says nothing, and
    no check knows what fits into memory.
    """
    left_out = any(line.startswith("not checked: ") for line in check.output.splitlines())
    differ = bool(check.status) != bool(train.status)
    return differ and not left_out and not _lacks_memory(train)


def _first_error(check: Ended) -> str:
    lines = [line for line in check.output.splitlines() if line.startswith("  error: ")]
    return (lines or [check.line])[0].strip()
