"""Evaluations of a training as rows of a CSV file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.engine.run_files import METRICS
from tasks.metrics_file import Row, read_metrics

FULL_TRAIN, FULL_TEST = "full_train", "full_test"
"""Subfolders of a run with the scores of all training and all test images."""
ON_THE_WAY, AT_THE_END = "on the way", "at the end"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One evaluation of a training; errors in percent, None for what was not measured."""

    study: str
    budget: str
    run: str
    network: str
    seed: int
    when: str
    """`on the way`, or `at the end` for the evaluation of all images."""
    step: int
    epoch: float
    """Passes over the training images."""
    images: int
    """Number of images trained on, counting repetitions."""
    train_error: float | None
    """Error on training images, without augmentation and in eval mode."""
    train_scored: int
    """Number of training images that `train_error` is measured on."""
    test_error: float | None
    test_scored: int
    train_loss: float | None
    """Loss on the images of `train_error`."""
    test_loss: float | None
    step_loss: float | None
    """Mean loss of the augmented batches since the previous point."""
    lr: float | None
    images_per_s: float | None


@dataclass(frozen=True)
class Origin:
    """The training that points belong to, and its numbers of images."""

    study: str
    budget: str
    network: str
    seed: int
    batch_size: int
    train_images: int
    train_scored: int
    """Number of training images scored on the way."""
    test_scored: int
    full_test: int
    """Number of all test images."""

    def point(self, step: int, when: str, **measured: Any) -> Point:
        """Make a point of this training after `step` steps."""
        images = step * self.batch_size
        return Point(
            study=self.study,
            budget=self.budget,
            run=f"{self.network}-{self.seed}",
            network=self.network,
            seed=self.seed,
            when=when,
            step=step,
            epoch=round(images / self.train_images, 4),
            images=images,
            **measured,
        )


def read_points(folder: Path, origin: Origin) -> list[Point]:
    """Points of a training so far; the last one is of all images if they were scored."""
    path = folder / METRICS
    rows = read_metrics(path) if path.exists() else []
    points = [_scored_on_the_way(row, origin) for row in rows if "train/top1" in row]
    if points and (folder / FULL_TEST / "evaluation.json").exists():
        points.append(_full(folder, origin, points[-1].step))
    return points


def _scored_on_the_way(row: Row, origin: Origin) -> Point:
    return origin.point(
        row["step"],
        ON_THE_WAY,
        train_error=_error(row.get("train/top1")),
        train_scored=origin.train_scored,
        test_error=_error(row.get("val/top1")),
        test_scored=origin.test_scored,
        train_loss=row.get("train/loss"),
        test_loss=row.get("val/loss"),
        step_loss=row.get("loss"),
        lr=row.get("lr"),
        images_per_s=row.get("images_per_s"),
    )


def _full(folder: Path, origin: Origin, step: int) -> Point:
    """The point of the final weights on all images."""
    train = _scores(folder / FULL_TRAIN)
    test = _scores(folder / FULL_TEST)
    return origin.point(
        step,
        AT_THE_END,
        train_error=_error(train["val/top1"]),
        train_scored=origin.train_images,
        test_error=_error(test["val/top1"]),
        test_scored=origin.full_test,
        train_loss=train["val/loss"],
        test_loss=test["val/loss"],
        step_loss=None,
        lr=None,
        images_per_s=None,
    )


def _scores(folder: Path) -> dict[str, float | None]:
    found: dict[str, float | None] = json.loads((folder / "evaluation.json").read_text())["scores"]
    return found


def _error(top1: float | None) -> float | None:
    """Percentage of images with a wrong class."""
    return None if top1 is None else round(100 * (1 - top1), 4)
