"""Two evaluations of the same ground truth side by side, with paired intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset
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
from tasks.report.instances.analysis import bootstrap_samples
from tasks.report.instances.build import read_evaluated, scored_detections
from tasks.scoring.engines import SCORE_NAMES
from tasks.scoring.instance_samples import SampledScores, sample_scores
from tasks.scoring.instances import score_boxes
from tasks.scoring.resampling import draw_images, interval_of
from tasks.scoring.results import DetectionResults

COMPARED = ("boxes", "labels", "crowd", "areas", "sizes", "first")


@dataclass(frozen=True)
class Comparison:
    """Result of `compare_runs`, to be printed."""

    runs: tuple[str, str]
    dataset: CocoDataset
    samples: int
    partial_samples: int
    """Samples that hold no object of some class."""
    scores: tuple[Difference, ...]
    """COCO's twelve numbers."""
    classes: tuple[Difference, ...]
    """AP of the classes that have ground truth, the largest difference first."""
    settings: tuple[Setting, ...] | None
    """The settings that differ; None where an evaluation has none."""

    def __str__(self) -> str:
        objects = int((~self.dataset.crowd).sum())
        lines = [
            f"a: {self.runs[0]}",
            f"b: {self.runs[1]}",
            f"on {self.dataset.path}: {len(self.dataset)} images, {objects} objects",
            f"Times 100; 95 % intervals of b - a over images ({self.samples} paired bootstrap"
            " samples); * excludes 0",
            *partial_lines(self.partial_samples, "object"),
            "",
            *interval_lines("score", self.scores),
            "",
            *interval_lines("AP by class", self.classes),
            "",
            *settings_lines(self.settings),
        ]
        return "\n".join(lines)


def compare_runs(
    run_a: str | Path,
    run_b: str | Path,
    *,
    read_settings: ReadSettings = as_written,
    eval_command: str = "backbones eval",
) -> Comparison:
    """Compare the last evaluations in two folders.

    `read_settings` takes the nested settings of an evaluation; one that brings those of older
    versions to the present form keeps settings that came later from being told as differences.
    `eval_command` is how the user starts an evaluation. Raises UserError where the two are not of
    the same ground truth.
    """
    dataset, results_a = read_evaluated(run_a, eval_command=eval_command)
    dataset_b, results_b = read_evaluated(run_b, eval_command=eval_command)
    differing = _differences(dataset, dataset_b)
    if differing:
        raise UserError(
            f"runs must be scored on the same ground truth, but {_scored_on(run_a, dataset)} and"
            f" {_scored_on(run_b, dataset_b)}, which differ in {', '.join(differing)}; score both"
            f" on one file: {eval_command} RUN data.val.annotations=FILE data.val.images=FOLDER"
        )
    limits = [scored_detections(run) for run in (run_a, run_b)]
    scores_a = score_boxes(dataset, results_a, limit=limits[0])
    scores_b = score_boxes(dataset, results_b, limit=limits[1])
    samples = _samples(dataset, results_a, results_b)
    draws = draw_images(len(dataset), samples)
    sampled_a = sample_scores(dataset, results_a, draws, limits[0])
    sampled = sample_scores(dataset, results_b, draws, limits[1]).minus(sampled_a)
    overall: list[Difference] = []
    for name in SCORE_NAMES:
        score = f"box/{name}"
        interval = interval_of(sampled.overall[name])
        overall.append(Difference(name, scores_a[score], scores_b[score], interval))
    return Comparison(
        runs=(str(run_a), str(run_b)),
        dataset=dataset,
        samples=samples,
        partial_samples=sampled.partial,
        scores=tuple(overall),
        classes=_class_differences(dataset, scores_a, scores_b, sampled),
        settings=differing_settings(run_a, run_b, read_settings),
    )


def _differences(dataset_a: CocoDataset, dataset_b: CocoDataset) -> list[str]:
    """In what counts of two ground truths they differ; paths and file names do not count."""
    differing: list[str] = []
    for name in COMPARED:
        if not np.array_equal(getattr(dataset_a, name), getattr(dataset_b, name)):
            differing.append(name)
    if dataset_a.label_map.names != dataset_b.label_map.names:
        differing.append("classes")
    return differing


def _scored_on(run: str | Path, dataset: CocoDataset) -> str:
    counts = f"{len(dataset)} images, {len(dataset.labels)} annotations"
    return f"{run} was scored on {dataset.path} ({counts})"


def _samples(dataset: CocoDataset, results_a: DetectionResults, results_b: DetectionResults) -> int:
    detections = max(len(results_a), len(results_b))
    return bootstrap_samples(detections, dataset.label_map.num_classes)


def _class_differences(
    dataset: CocoDataset,
    scores_a: Mapping[str, float],
    scores_b: Mapping[str, float],
    sampled: SampledScores,
) -> tuple[Difference, ...]:
    """AP of the classes that have ground truth, the largest difference first."""
    defined = sampled.defined.tolist()
    differences: list[Difference] = []
    for label, name in enumerate(dataset.label_map.names):
        a = scores_a[f"box/AP/{name}"]
        if math.isnan(a):
            continue
        interval = interval_of(sampled.classes[:, label])
        fewer = defined[label] if defined[label] < len(sampled.classes) else None
        b = scores_b[f"box/AP/{name}"]
        differences.append(Difference(name, a, b, interval, samples=fewer))
    return tuple(sorted(differences, key=lambda row: -abs(row.b - row.a)))
