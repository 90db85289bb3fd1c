"""What studies share: command lines, trainings that can be resumed, and the spread over seeds."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import torch

from benchmarks.common import machine
from resnet_backbones.errors import UserError
from tasks.cli.api import train
from tasks.engine.distributed import World
from tasks.engine.run_files import METRICS
from tasks.engine.run_folder import check_output_dir
from tasks.engine.settings import TaskSettings
from tasks.metrics_file import read_metrics

Curve = dict[int, float]
"""Score by number of finished steps."""


@dataclass(frozen=True)
class Spread:
    """Mean and deviation of the scores of trainings that differ only in their seed."""

    mean: float
    deviation: float | None
    """Sample standard deviation; None for a single training."""
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None, len(values))

    def shown(self) -> tuple[str, str]:
        """Mean and deviation as text with two decimals."""
        deviation = "n/a" if self.deviation is None else f"{self.deviation:.2f}"
        return f"{self.mean:.2f}", deviation


def study_parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser whose help keeps the line breaks of the description."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def run_study(main: Callable[[], None]) -> None:
    """Run a study; a UserError is printed as one line and ends it with status 2."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def report_head(title: str) -> list[str]:
    """The first lines of a report: its title and the machine."""
    return [f"# {title}", "", *(f"* {name}: {value}" for name, value in machine().items()), ""]


def check_run(config: TaskSettings) -> None:
    """Raise UserError if the output folder holds a run with other settings."""
    check_output_dir(config.run, World(0, 0, 1, torch.device("cpu")), config)


def finished_curve(config: TaskSettings) -> Curve:
    """Train, and return run.best_metric at each evaluation.

    An interrupted training is resumed and a finished one is only read; run.resume must be auto.
    """
    curve = read_curve(config)
    if config.schedule.steps in curve:
        print(f"{config.run.output_dir}: finished, is read back", flush=True)
        return curve
    train(config)
    return read_curve(config)


def read_curve(config: TaskSettings) -> Curve:
    """The evaluations so far, none without a run; a missing score is nan."""
    path = Path(config.run.output_dir) / METRICS
    metric = config.run.best_metric
    rows = read_metrics(path) if path.exists() else []
    scored = {row["step"]: row[metric] for row in rows if metric in row}
    return {step: math.nan if score is None else score for step, score in scored.items()}
