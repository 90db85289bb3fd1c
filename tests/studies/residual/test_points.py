"""What is read of a training's folder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from studies.residual.points import AT_THE_END, ON_THE_WAY, Origin, read_points

ORIGIN = Origin(
    study="degradation",
    budget="cpu",
    network="plain20",
    seed=3,
    batch_size=100,
    train_images=1000,
    train_scored=50,
    test_scored=40,
    full_test=200,
)
SCORED = {"val/top1": 0.25, "val/loss": 1.5, "train/top1": 0.75, "train/loss": 1.25}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training that was logged at step 5 and scored at step 20."""
    rows = [
        {"step": 5, "loss": 2.5, "lr": 0.1, "images_per_s": 90.0},
        {"step": 20, "loss": 2.0, "lr": 0.01, "images_per_s": 100.0, **SCORED},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def score(folder: Path, name: str, top1: float) -> None:
    (folder / name).mkdir()
    scores = {"scores": {"val/top1": top1, "val/loss": 1.0}}
    (folder / name / "evaluation.json").write_text(json.dumps(scores))


def test_a_point_is_made_of_each_row_with_scores(run: Path) -> None:
    (found,) = read_points(run, ORIGIN)
    assert (found.run, found.when, found.step) == ("plain20-3", ON_THE_WAY, 20)
    assert (found.images, found.epoch) == (2000, 2.0)
    assert (found.train_error, found.test_error) == (25.0, 75.0)
    assert (found.train_loss, found.test_loss, found.step_loss) == (1.25, 1.5, 2.0)
    assert (found.train_scored, found.test_scored) == (50, 40)


def test_the_full_sets_are_the_last_point(run: Path) -> None:
    score(run, "full_train", 0.8)
    score(run, "full_test", 0.5)
    end = read_points(run, ORIGIN)[-1]
    assert (end.when, end.step) == (AT_THE_END, 20)
    assert (end.train_error, end.test_error) == (20.0, 50.0)
    assert (end.train_scored, end.test_scored) == (1000, 200)


def test_a_training_that_has_not_begun_has_no_points(tmp_path: Path) -> None:
    assert read_points(tmp_path, replace(ORIGIN, seed=4)) == []
