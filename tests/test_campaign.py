"""The fault campaign's command: a few cases of every kind, in which the product does right."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch
from campaign.case import Case
from campaign.damage import HOWS, damage, same
from campaign.kind import Kind
from campaign.outcomes import Outcome, Verdict, judge
from campaign.pool import Found
from campaign.processes import Ended, call, command
from campaign.table import table

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


def test_a_check_that_says_what_it_left_out_disagrees_with_nothing() -> None:
    check = Ended(0, False, "no errors\nnot checked: no images\n", "", 1.0, 1.0, 1, False)
    steps = {"check": check, "train": ended(2, "error: a.json: no")}
    assert judge("what was done", steps, ("a.json",)).outcome == Outcome.REFUSED


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


def test_a_case_is_drawn_again_by_its_name() -> None:
    first, again, other = (Case(7, "coco", index).chance.random() for index in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("how", HOWS)
def test_damage_changes_a_file(how: str, tmp_path: Path) -> None:
    content = bytes(range(1, 251)) * 40
    path = tmp_path / "file"
    path.write_bytes(content)
    damage(path, Random(1), how)
    assert path.read_bytes() != content


def test_only_equal_bits_are_the_same() -> None:
    nan = torch.tensor([float("nan"), 0.0])
    assert same({"a": [nan, "x"]}, {"a": [nan.clone(), "x"]})
    assert not same({"a": nan}, {"a": torch.tensor([float("nan"), -0.0])})
    assert not same({"a": nan}, {"b": nan})
    assert not same([1], [True])


def test_the_table_counts_outcomes() -> None:
    kind = Kind("toy", "toys", 3, 1, lambda place: Verdict(Outcome.DONE, ""))
    found = [
        Found(Case(1, "toy", index), Verdict(outcome, ""), seconds)
        for index, outcome, seconds in ((0, Outcome.DONE, 1.2), (1, Outcome.CRASH, 2.6))
    ]
    assert table(found, {"toy": kind}).splitlines()[-1] == (
        "| toys | 2 | 1 done | 1 ended by a signal | 3 s, 1:toy:1 |"
    )


def test_a_quick_campaign() -> None:
    words = [sys.executable, "-m", "campaign", "--seed", "1", "--quick", "--limit", "300"]
    paths = os.pathsep.join((str(ROOT / "tests"), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
