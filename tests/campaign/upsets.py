"""Trainings that are upset from outside and go on: full disks, signals, second starts, lost images.

The end is compared with that of a run that nothing disturbed.
"""

import os
import re
import signal
from collections.abc import Collection
from pathlib import Path

from campaign import bases
from campaign.case import Case
from campaign.kills import KINDS as KILLS
from campaign.kills import Script, begin_killed, compare, run_seconds, straight_run
from campaign.kind import Kind, Place
from campaign.outcomes import Outcome, Verdict, fault_of
from campaign.processes import Ended, begin

ANSWER = 30.0
"""Seconds in which a run must answer a signal."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def fill_disk(place: Place) -> Verdict:
    """Let every file that outgrows a drawn size fail to be written, then give room and resume."""
    script = Script.draw(place.chance)
    straight = straight_run(place.base, script.task)
    words = script.words(place.base, Path("run"))
    share = place.chance.uniform(0.2, 0.9)
    has_begun = place.chance.random() < 0.6
    if has_begun:
        begin_killed(place, words, share * run_seconds(straight), group=True)
    largest = (straight / "last.pt").stat().st_size
    room = int(largest ** place.chance.uniform(0.2, 1.0))
    said = (
        f"{script.task}: no file over {room} bytes, {'resumed' if has_begun else 'from the start'}"
    )
    full = begin(words, place.folder, "full", file_bytes=room).wait()
    fault = fault_of("full", full)
    if fault is not None:
        return Verdict(fault[0], said, fault[1])
    if full.status and not _names_folder(full):
        return Verdict(Outcome.UNNAMED, said, full.line)
    return _resume_and_compare(place, words, straight, said)


def send_signal(place: Place) -> Verdict:
    """Stop a run by a signal at a random moment, then resume it."""
    script = Script.draw(place.chance)
    straight = straight_run(place.base, script.task)
    words = script.words(place.base, Path("run"))
    share = place.chance.uniform(0.0, 1.0)
    number = place.chance.choice(SIGNALS)
    said = f"{script.task}, {script.workers} workers: {number.name} at {share:.0%} of a run's time"
    started = begin(words, place.folder, "stopped")
    ended = started.poll(share * run_seconds(straight))
    if ended is None:
        if script.group:
            os.killpg(started.pid, number)
        else:
            os.kill(started.pid, number)
        stopped = started.wait(ANSWER)
        expected = (0, 128 + number, -number)  # the last before the program obeys signals
        if stopped.timed_out or stopped.has_traceback or stopped.status not in expected:
            fault = fault_of("stopped", stopped) or (Outcome.ODD, f"status {stopped.status}")
            return Verdict(fault[0], said, fault[1])
    return _resume_and_compare(place, words, straight, said)


def start_twice(place: Place) -> Verdict:
    """Start a run while it is running: one of the two is refused, and the other is not hurt."""
    script = Script.draw(place.chance)
    straight = straight_run(place.base, script.task)
    words = script.words(place.base, Path("run"))
    share = place.chance.uniform(0.0, 1.0)
    said = f"{script.task}: started again at {share:.0%} of a run's time"
    first = begin(words, place.folder, "first")
    first_end = first.poll(share * run_seconds(straight))
    second = begin(words, place.folder, "second").wait()
    endings = {"second": second}
    if first_end is None:
        endings["first"] = first.wait()
    for name, ended in endings.items():
        fault = fault_of(name, ended)
        if fault is not None:
            return Verdict(fault[0], said, fault[1])
        if ended.status and not _names_folder(ended):
            return Verdict(Outcome.UNNAMED, said, f"{name}: {ended.line}")
    if all(ended.status for ended in endings.values()) and first_end is None:
        return Verdict(Outcome.LOST, said, f"both were refused: {second.line}")
    return _resume_and_compare(place, words, straight, said)


def lose_image(place: Place) -> Verdict:
    """Delete, cut or replace an image under a running training."""
    bases.write_coco(place.folder)
    script = Script("detection", place.chance.choice((0, 1)), False)
    words = script.words(place.base, Path("run"))
    words += [f"{word}" for word in bases.coco_words(Path())]
    share = place.chance.uniform(0.0, 0.7)
    path = place.folder / "train/11.png"
    how = place.chance.choice(("deleted", "cut", "of another size", "a text"))
    started = begin(words, place.folder, "train")
    started.poll(share * run_seconds(straight_run(place.base, "detection")))
    content = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(content[:200])
    elif how == "of another size":
        bases.picture(11).resize((33, 33)).save(path)
    elif how == "a text":
        path.write_text("no image\n")
    return _refused_or_done(started.wait(), path, f"an image {how} at {share:.0%} of a run's time")


def _refused_or_done(ended: Ended, path: Path, said: str) -> Verdict:
    fault = fault_of("train", ended)
    if fault is not None:
        return Verdict(fault[0], said, fault[1])
    if ended.status == 0:
        return Verdict(Outcome.DONE, said)
    named = path.name in ended.line
    return Verdict(Outcome.REFUSED if named else Outcome.UNNAMED, said, ended.line)


def _names_folder(ended: Ended) -> bool:
    """Whether an error says which of a run's files or folders it is about, or that it is the shared
    memory of loader processes, which are files under a limit too.
    """
    named = re.search(r"\brun(/|\.output_dir=run| must be a place)|/dev/shm", ended.line)
    return named is not None


def _resume_and_compare(place: Place, words: list[object], straight: Path, said: str) -> Verdict:
    ended = begin(words, place.folder, "resumed").wait()
    fault = fault_of("resumed", ended)
    if fault is not None or ended.status:
        return Verdict(fault[0] if fault else Outcome.LOST, said, f"resumed: {ended.line}")
    return compare(place, straight, said)


KINDS = (
    *KILLS,
    Kind("disks", "disk full, then resumed with room", 20, 0, fill_disk),
    Kind("signals", "runs stopped by SIGTERM or SIGINT and resumed", 20, 0, send_signal),
    Kind("twice", "two runs in one folder", 8, 0, start_twice),
    Kind("lost-images", "image deleted, cut or replaced under a run", 8, 0, lose_image),
)
RESUMED = frozenset(("kills", "disks", "signals", "twice"))
"""Kinds that begin by drawing a script, whose task has an undisturbed run to compare with."""


def tasks_of(cases: Collection[Case]) -> set[str]:
    """The tasks whose undisturbed runs the cases need."""
    tasks: set[str] = set()
    for case in cases:
        if case.kind in RESUMED:
            tasks.add(Script.draw(case.chance).task)
        elif case.kind == "lost-images":
            tasks.add("detection")
    return tasks
