"""Estimate the cost of a study from the multiply-adds of its trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.common import markdown_table
from resnet_backbones.analysis.complexity import measure
from resnet_backbones.registry import make_options
from studies.residual.study import Plan, Run
from tasks.classification.config import ClassificationConfig

MACS_PER_S = 37e9
"""Multiply-adds of a forward pass per second of training, in bf16 on two cores of an AMD EPYC (Zen
4). ResNet-20, with 40.6 million an image, was measured there at 920 images/s."""
START_S = 8.0
"""Seconds of a training for imports, reading the images and the report."""
SCORING = 1 / 3
"""Cost of scoring an image relative to training on it, as there is no backward pass."""


def list_runs(plan: Plan, runs: Sequence[Run], state: Callable[[Run], str]) -> list[str]:
    """Table of the trainings with their settings, estimated minutes and state."""
    rows = [("training", "settings", "minutes of two cores", "state")]
    minutes = {run.name: estimated_minutes(run) for run in runs}
    for run in runs:
        settings = " ".join(plan.budget.networks[run.network])
        rows.append((run.name, settings, f"{minutes[run.name]:.0f}", state(run)))
    return [*markdown_table(rows), f"about {sum(minutes.values()):.0f} minutes in all"]


def estimated_minutes(run: Run) -> float:
    """Minutes to train and score a run on two cores."""
    config = run.config
    steps = config.schedule.steps
    evaluations = -(-steps // config.run.eval_every) if config.run.eval_every else 1
    origin = run.origin
    scored = evaluations * (origin.train_scored + origin.test_scored)
    scored += origin.train_images + origin.full_test
    images = steps * config.batch_size + SCORING * scored
    return (START_S + images * multiply_adds(config) / MACS_PER_S) / 60


def multiply_adds(config: ClassificationConfig) -> int:
    """Multiply-adds of a forward pass on one image."""
    name = config.model.backbone
    options = make_options(name, config.model.options.given())
    found = measure(name, size=config.test.crop, num_classes=10, options=options)
    return found.total.macs
