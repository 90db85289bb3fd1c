"""What training is about to see, drawn before its first step."""

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
"""(how many images, the picture to write) -> nothing of use."""


def draw_samples(draw: DrawSamples, run: RunConfig, log: RunLog) -> None:
    """Draw `run.samples` images into the run's folder, of which training then knows nothing.

    It only decorates: where it fails a line tells it.
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
    """Load the first `count` images of training, in this process, in batches of the steps that they
    are of.
    """
    for step in range(-(-count // batch_size)):
        yield load(plan(step).part(0, min(batch_size, count - step * batch_size)))
