"""Two evaluations of the same labels of every pixel side by side, with paired intervals.

N images, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.report.compare import (
    Difference,
    ReadSettings,
    Setting,
    as_written,
    differing_settings,
    interval_lines,
    partial_lines,
    settings_lines,
)
from tasks.report.segmentation.evaluated import Evaluated, read_evaluated
from tasks.scoring.evaluation import percent_cell
from tasks.scoring.resampling import SAMPLES, interval_of
from tasks.scoring.semantic import class_ious, headline_scores

LISTED = 10  # images that changed, each way


@dataclass(frozen=True)
class Comparison:
    """Result of `compare_runs`, to be printed."""

    runs: tuple[str, str]
    evaluated: tuple[Evaluated, Evaluated]
    scores: tuple[Difference, ...]
    """The scores over all classes."""
    classes: tuple[Difference, ...]
    """IoU of the classes that have pixels, the largest difference first."""
    settings: tuple[Setting, ...] | None
    """The settings that differ; None where an evaluation has none."""

    def __str__(self) -> str:
        first = self.evaluated[0]
        counts = f"{len(first.results)} images, {first.label_map.num_classes} classes"
        lines = [
            f"a: {self.runs[0]}",
            f"b: {self.runs[1]}",
            f"on {first.data}: {counts}",
            f"Times 100; 95 % intervals of b - a over images ({SAMPLES} paired bootstrap samples);"
            " * excludes 0",
            *partial_lines(first.partial_samples, "pixel"),
            "",
            *interval_lines("score", self.scores),
            "",
            *interval_lines("IoU by class", self.classes),
            *self._images(),
            "",
            *settings_lines(self.settings),
        ]
        return "\n".join(lines)

    def gains(self) -> NDArray[np.float64]:
        """Gain of each image's mean IoU (N,) from a to b, nan if it has none."""
        a, b = self.evaluated
        return b.results.image_scores() - a.results.image_scores()

    def _images(self) -> list[str]:
        """Lines of the images that changed most."""
        gains = np.nan_to_num(self.gains())
        order = np.argsort(-gains, kind="stable")
        better = [row for row in order.tolist() if gains[row] > 0]
        worse = [row for row in reversed(order.tolist()) if gains[row] < 0]
        lines: list[str] = []
        for title, rows in (("better", better), ("worse", worse)):
            if rows:
                most = rows[:LISTED]
                shown = f"{len(rows)} images became {title}, the {len(most)} that changed most"
                lines += ["", f"{shown} (file: mean IoU of its classes, a -> b)"]
                lines += [self._image(row) for row in most]
        return lines

    def _image(self, row: int) -> str:
        """One image's line."""
        a, b = (float(one.results.image_scores()[row]) for one in self.evaluated)
        name = self.evaluated[0].scored.names[row]
        return f"  {name}: {percent_cell(a, 0)} -> {percent_cell(b, 0)}"


def compare_runs(
    run_a: str | Path,
    run_b: str | Path,
    *,
    read_settings: ReadSettings = as_written,
    eval_command: str = "backbones eval",
) -> Comparison:
    """Compare the last evaluations in two folders.

    `read_settings` brings settings to the present form, `eval_command` is how the user starts
    an evaluation. Raises UserError where the two are not of the same images, labels and classes.
    """
    a = read_evaluated(run_a, eval_command=eval_command)
    b = read_evaluated(run_b, eval_command=eval_command)
    differing = _differences(a, b)
    if differing:
        raise UserError(
            f"runs must be scored on the same labels, but {_scored_on(run_a, a)} and"
            f" {_scored_on(run_b, b)}, which differ in {', '.join(differing)}; score both on the"
            f" same data: {eval_command} RUN with its settings of data"
        )
    return Comparison(
        runs=(str(run_a), str(run_b)),
        evaluated=(a, b),
        scores=_score_differences(a, b),
        classes=_class_differences(a, b),
        settings=differing_settings(run_a, run_b, read_settings),
    )


def _differences(a: Evaluated, b: Evaluated) -> list[str]:
    """In what counts of two evaluated data sets they differ."""
    if len(a.results) != len(b.results):
        return ["the number of images"]
    differing: list[str] = []
    if a.label_map.names != b.label_map.names:
        differing.append("classes")
    elif not np.array_equal(a.results.counts[:, 1], b.results.counts[:, 1]):
        differing.append("labels of the images")
    if a.scored.names != b.scored.names:
        differing.append("file names")
    return differing


def _scored_on(run: str | Path, evaluated: Evaluated) -> str:
    counts = f"{len(evaluated.results)} images, {evaluated.label_map.num_classes} classes"
    return f"{run} was scored on {evaluated.data} ({counts})"


def _score_differences(a: Evaluated, b: Evaluated) -> tuple[Difference, ...]:
    """The scores over all classes."""
    values_a = headline_scores(a.counts)
    values_b = headline_scores(b.counts)
    samples_a = headline_scores(a.samples)
    samples_b = headline_scores(b.samples)
    differences: list[Difference] = []
    for name, value in values_a.items():
        interval = interval_of(samples_b[name] - samples_a[name])
        short = name.removeprefix("seg/")
        differences.append(Difference(short, float(value), float(values_b[name]), interval))
    return tuple(differences)


def _class_differences(a: Evaluated, b: Evaluated) -> tuple[Difference, ...]:
    """IoU of the classes that have pixels, the largest difference first."""
    ious_a = class_ious(a.counts)
    ious_b = class_ious(b.counts)
    samples = b.sampled_ious - a.sampled_ious  # (S, K)
    held = a.held_samples
    differences: list[Difference] = []
    for label in np.flatnonzero(a.counts[1]).tolist():
        values = (float(ious_a[label]), float(ious_b[label]))
        interval = interval_of(samples[:, label])
        fewer = int(held[label]) if held[label] < len(samples) else None
        name = a.label_map.names[label]
        differences.append(Difference(name, *values, interval, samples=fewer))
    return tuple(sorted(differences, key=lambda row: -abs(row.b - row.a)))
