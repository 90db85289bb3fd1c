"""The fault campaign's command: a few cases of every kind, in which the product does right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from campaign.outcomes import Outcome, judge
from campaign.processes import Ended, call, command

ROOT = Path(__file__).resolve().parents[1]


def ended(status: int, error: str = "", *, timed_out: bool = False) -> Ended:
    """A command that ended so."""
    return Ended(status, timed_out, "", error, 1.0, 1.0, 1, False)


@pytest.mark.parametrize(
    ("check", "train", "outcome"),
    [
        (ended(0), ended(0), Outcome.DONE),
        (ended(1), ended(2, "error: a.json: no"), Outcome.REFUSED),
        (ended(0), ended(2, "error: a.json: no"), Outcome.PASSED),
        (ended(1), ended(0), Outcome.FORBIDDEN),
        (ended(1), ended(2, "error: no"), Outcome.UNNAMED),
        (ended(-11), ended(0), Outcome.CRASH),
        (ended(0), ended(-9, timed_out=True), Outcome.SLOW),
        (ended(0), ended(1, "Traceback (most recent call last):\nKeyError: 3"), Outcome.TRACEBACK),
        (ended(0), ended(7), Outcome.ODD),
    ],
)
def test_verdicts(check: Ended, train: Ended, outcome: Outcome) -> None:
    steps = {"check": check, "train": train}
    assert judge("what was done", steps, ("a.json",)).outcome == outcome


def test_a_process_is_killed_at_its_limit(tmp_path: Path) -> None:
    def hang() -> int:
        print("begun", flush=True)
        while True:
            pass

    found = call(hang, tmp_path, seconds=0.3)
    assert (found.timed_out, found.status, found.output) == (True, -9, "begun\n")


def test_a_command_is_run_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("[]")
    found = command(["check", ".", "train.json"], tmp_path)
    assert found.status in (1, 2)
    assert "train.json" in found.output + found.error


def test_a_quick_campaign() -> None:
    words = [sys.executable, "-m", "campaign", "--seed", "1", "--quick"]
    paths = os.pathsep.join((str(ROOT / "tests"), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
