"""Two evaluations of classifiers on the same images side by side.  N images, K classes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.report.classification.evaluated import Evaluated, read_evaluated
from tasks.report.compare import (
    ReadSettings,
    Setting,
    as_written,
    differing_settings,
    settings_lines,
)
from tasks.scoring.evaluation import MOST_CLASSES, class_scores, percent_cell
from tasks.scoring.proportions import mcnemar_p_value
from tasks.scoring.top_k import DETAILS, RANKS, score_classes

LISTED = 10  # images that changed, each way
CHANGED_MOST = 20  # classes that are listed where there are many


@dataclass(frozen=True)
class Difference:
    """A score of both models, nan if nothing defines it."""

    name: str
    a: float
    b: float

    @property
    def gain(self) -> float:
        """B's score minus a's."""
        return self.b - self.a


@dataclass(frozen=True)
class Changes:
    """The images on which two models differ, by their place in the results."""

    name: str
    """What counts as right: top1 or top5."""
    gained: NDArray[np.intp]
    """Images that are wrong in a and right in b."""
    lost: NDArray[np.intp]
    """Images that are right in a and wrong in b."""

    @property
    def p_value(self) -> float:
        """McNemar's exact two-sided p-value."""
        return mcnemar_p_value(len(self.gained), len(self.lost))

    def __str__(self) -> str:
        counts = f"{len(self.gained)} images became right, {len(self.lost)} wrong"
        return f"{self.name}: {counts}; p = {self.p_value:.2g}"


@dataclass(frozen=True)
class Comparison:
    """Result of `compare_runs`, to be printed."""

    runs: tuple[str, str]
    evaluated: tuple[Evaluated, Evaluated]
    scores: tuple[Difference, ...]
    """The scores over all classes."""
    classes: tuple[Difference, ...]
    """Top 1 of the classes that have images, the largest difference first."""
    changes: tuple[Changes, ...]
    """Changes of top 1, then of top 5 if there are more classes."""
    settings: tuple[Setting, ...] | None
    """Settings that differ; None if an evaluation has none."""

    def __str__(self) -> str:
        first = self.evaluated[0]
        counts = f"{len(first.results)} images, {first.label_map.num_classes} classes"
        many = len(self.classes) > MOST_CLASSES
        shown = self.classes[:CHANGED_MOST] if many else self.classes
        heading = "top1 by class, the largest differences" if many else "top1 by class"
        lines = [
            f"a: {self.runs[0]}",
            f"b: {self.runs[1]}",
            f"on {first.data}: {counts}",
            "",
            *_table("score, times 100", self.scores),
            "",
            "p is McNemar's exact test: the chance of so uneven a split between equal models",
            *map(str, self.changes),
            *self._images(),
            "",
            *_table(heading, shown),
            "",
            *settings_lines(self.settings),
        ]
        return "\n".join(lines)

    def _images(self) -> list[str]:
        """Lines about the images whose top 1 changed."""
        lines: list[str] = []
        top1 = self.changes[0]
        confidences = self.evaluated[1].results.confidences
        for title, rows in (("became right", top1.gained), ("became wrong", top1.lost)):
            if rows.size:
                most = rows[np.argsort(-confidences[rows], kind="stable")][:LISTED]
                shown = f"{title}, the {len(most)} of {len(rows)} of which b is most certain"
                lines += ["", f"{shown} (file: class; a -> b)"]
                lines += [self._image(row) for row in most.tolist()]
        return lines

    def _image(self, row: int) -> str:
        """One image's line."""
        a, b = self.evaluated
        names = a.label_map.names
        truth = names[a.results.labels[row]]
        change = f"{names[a.results.predicted[row]]} -> {names[b.results.predicted[row]]}"
        return f"  {a.name(int(a.results.image_ids[row]) - 1)}: {truth}; {change}"


def compare_runs(
    run_a: str | Path,
    run_b: str | Path,
    *,
    read_settings: ReadSettings = as_written,
    eval_command: str = "backbones eval",
) -> Comparison:
    """Compare the last evaluations in two folders.

    `read_settings` brings settings to the present form, `eval_command` is the user's command for an
    evaluation. Raises UserError unless both are of the same images and classes.
    """
    a = read_evaluated(run_a, eval_command=eval_command)
    b = read_evaluated(run_b, eval_command=eval_command)
    differing = _differences(a, b)
    if differing:
        raise UserError(
            f"runs must be scored on the same images, but {_scored_on(run_a, a)} and"
            f" {_scored_on(run_b, b)}, which differ in {', '.join(differing)}; score both on the"
            f" same data: {eval_command} RUN with its settings of data"
        )
    scores_a = score_classes(a.results, a.label_map)
    scores_b = score_classes(b.results, b.label_map)
    headline = [name for name in scores_a if not name.startswith(DETAILS)]
    ranks = [("top1", 1), ("top5", RANKS)]
    return Comparison(
        runs=(str(run_a), str(run_b)),
        evaluated=(a, b),
        scores=tuple(Difference(name, scores_a[name], scores_b[name]) for name in headline),
        classes=_class_differences(scores_a, scores_b),
        changes=tuple(_changes(name, a, b, rank) for name, rank in ranks if name in scores_a),
        settings=differing_settings(run_a, run_b, read_settings),
    )


def _differences(a: Evaluated, b: Evaluated) -> list[str]:
    """Differences of what counts in two evaluated data sets."""
    if len(a.results) != len(b.results):
        return ["the number of images"]
    differing: list[str] = []
    if a.label_map.names != b.label_map.names:
        differing.append("classes")
    elif not np.array_equal(a.results.labels, b.results.labels):
        differing.append("true classes of the images")
    indices = range(len(a.results))
    if [*map(a.name, indices)] != [*map(b.name, indices)]:
        differing.append("file names")
    return differing


def _scored_on(run: str | Path, evaluated: Evaluated) -> str:
    counts = f"{len(evaluated.results)} images, {evaluated.label_map.num_classes} classes"
    return f"{run} was scored on {evaluated.data} ({counts})"


def _class_differences(
    scores_a: Mapping[str, float], scores_b: Mapping[str, float]
) -> tuple[Difference, ...]:
    """Top 1 of the classes that have images, the largest difference first."""
    classes_b = class_scores(scores_b, DETAILS)
    differences: list[Difference] = []
    for name, value in class_scores(scores_a, DETAILS).items():
        if not math.isnan(value):
            differences.append(Difference(name, value, classes_b[name]))
    return tuple(sorted(differences, key=lambda row: -abs(row.gain)))


def _changes(name: str, a: Evaluated, b: Evaluated, ranks: int) -> Changes:
    right_a = a.results.right(ranks)
    right_b = b.results.right(ranks)
    return Changes(name, np.flatnonzero(~right_a & right_b), np.flatnonzero(right_a & ~right_b))


def _table(title: str, rows: Sequence[Difference]) -> list[str]:
    """Lines of one table."""
    width = max([len(row.name) for row in rows] + [len(title)])
    lines = [f"{title:<{width}}{'a':>8}{'b':>8}{'b - a':>8}"]
    for row in rows:
        gain = "n/a" if math.isnan(row.gain) else f"{100 * row.gain:+.1f}"
        scores = f"{percent_cell(row.a, 8)}{percent_cell(row.b, 8)}"
        lines.append(f"{row.name:<{width}}{scores}{gain:>8}")
    return lines
