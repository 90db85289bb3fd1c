"""Training images are drawn before training, which does not notice."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.engine.distributed import World
from tasks.engine.log import RunLog
from tasks.engine.samples import draw_samples, first_batches
from tasks.engine.settings import RunConfig

WORLD = World(0, 0, 1, torch.device("cpu"))


@dataclass(frozen=True)
class Numbers:
    """The plan of a step is its images' numbers."""

    images: tuple[int, ...]

    def part(self, start: int, stop: int) -> "Numbers":
        return Numbers(self.images[start:stop])


def test_the_first_images_are_those_of_the_first_steps() -> None:
    def plan(step: int) -> Numbers:
        return Numbers(tuple(range(4 * step, 4 * step + 4)))

    batches = first_batches(plan, lambda numbers: numbers.images, 4, 10)
    assert list(batches) == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]


def test_a_failure_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(count: int, picture: Path) -> None:
        raise ValueError(f"no room for {count}")

    with RunLog(tmp_path, WORLD) as log:
        draw_samples(fail, RunConfig(output_dir=str(tmp_path), samples=5), log)
    printed = capsys.readouterr().out
    assert printed == "warning: samples.png was not made: ValueError: no room for 5\n"


def test_generators_go_on_as_if_nothing_was_drawn(tmp_path: Path) -> None:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    def seed() -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)

    seed()
    expected = draws()
    seed()
    with RunLog(tmp_path, WORLD) as log:
        draw_samples(lambda count, picture: draws(), RunConfig(output_dir=str(tmp_path)), log)
    assert draws() == expected
