"""Draw training images before the first step."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tasks.engine.loading import Plan
from tasks.engine.log import RunLog
from tasks.engine.randomness import keeping_random_states
from tasks.engine.run_files import SAMPLES
from tasks.engine.settings import RunConfig

P = TypeVar("P", bound=Plan)
B = TypeVar("B")
DrawSamples = Callable[[int, Path], object]
"""(number of images, the picture to write) -> unused."""


def draw_samples(draw: DrawSamples, run: RunConfig, log: RunLog) -> None:
    """Draw `run.samples` images into the run's folder, without any effect on training.

    A failure is only reported in a line.
    """
    picture = Path(run.output_dir) / SAMPLES

    def make() -> None:
        with keeping_random_states():
            draw(run.samples, picture)
        log.note(f"training images as the network gets them: {picture}")

    log.attempt(SAMPLES, make, picture)


def first_batches(
    plan: Callable[[int], P], load: Callable[[P], B], batch_size: int, count: int
) -> Iterator[B]:
    """Load the first `count` images of training in this process, in the batches of their steps."""
    for step in range(-(-count // batch_size)):
        yield load(plan(step).part(0, min(batch_size, count - step * batch_size)))
