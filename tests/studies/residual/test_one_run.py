"""What is done of one training, by a command line that only notes what it is told."""

import json
from pathlib import Path

import pytest

from studies.residual import one_run
from studies.residual.one_run import Job, carry_out

TRAIN = ["cifar_resnet20", "schedule.steps=2"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that are told from now on; `train bad` fails."""
    lines: list[list[str]] = []

    def note(words: list[str]) -> int:
        lines.append(words)
        return 2 if words[1] == "bad" else 0

    monkeypatch.setattr(one_run, "main", note)
    return lines


def test_a_net_is_trained_and_then_scored(tmp_path: Path, told: list[list[str]]) -> None:
    job = Job(str(tmp_path), TRAIN, {"full_train": "a.zip", "full_test": "b.zip"})
    assert carry_out(job) == 0
    last = str(tmp_path / "last.pt")
    assert told == [
        ["train", *TRAIN],
        ["eval", last, 'data.val="a.zip"', "--out", str(tmp_path / "full_train")],
        ["eval", last, 'data.val="b.zip"', "--out", str(tmp_path / "full_test")],
    ]
    assert "date" in json.loads((tmp_path / "machine.json").read_text())


def test_what_was_scored_is_not_scored_again(tmp_path: Path, told: list[list[str]]) -> None:
    (tmp_path / "full_train").mkdir()
    (tmp_path / "full_train" / "evaluation.json").touch()
    carry_out(Job(str(tmp_path), None, {"full_train": "a.zip", "full_test": "b.zip"}))
    assert [words[2] for words in told] == ['data.val="b.zip"']


def test_a_training_that_failed_is_not_scored(tmp_path: Path, told: list[list[str]]) -> None:
    assert carry_out(Job(str(tmp_path), ["bad"], {"full_test": "b.zip"})) == 2
    assert told == [["train", "bad"]]
    assert not (tmp_path / "machine.json").exists()
