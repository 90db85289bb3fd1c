"""Two evaluations of the same ground truth side by side, with hotcoco's paired intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    settings_lines,
)
from tasks.report.instances.analysis import (
    bootstrap_samples,
    class_interval,
    class_samples,
    compare,
    interval_of,
    known,
)
from tasks.report.instances.build import read_evaluated
from tasks.scoring.engines import SCORE_NAMES, hotcoco_evaluator, mean_defined
from tasks.scoring.results import DetectionResults

if TYPE_CHECKING:
    from hotcoco import COCOeval

COMPARED = ("boxes", "labels", "crowd", "areas", "sizes", "first")


@dataclass(frozen=True)
class Comparison:
    """What `compare_runs` found, to be printed."""

    runs: tuple[str, str]
    dataset: CocoDataset
    samples: int
    scores: tuple[Difference, ...]
    """COCO's twelve numbers."""
    classes: tuple[Difference, ...]
    """AP of the classes that have ground truth, the largest difference first."""
    settings: tuple[Setting, ...] | None
    """The settings that differ; None where a run has no config.yaml."""

    def __str__(self) -> str:
        objects = int((~self.dataset.crowd).sum())
        lines = [
            f"a: {self.runs[0]}",
            f"b: {self.runs[1]}",
            f"on {self.dataset.path}: {len(self.dataset)} images, {objects} objects",
            f"Times 100; 95 % intervals of b - a over images ({self.samples} paired bootstrap"
            " samples); * excludes 0",
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

    `read_settings` reads the nested values of a config.yaml; one that brings those of older
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
    evaluator_a = hotcoco_evaluator(dataset, results_a)
    evaluator_b = hotcoco_evaluator(dataset, results_b)
    samples = _samples(dataset, results_a, results_b)
    summary = compare(evaluator_a, evaluator_b, samples)
    return Comparison(
        runs=(str(run_a), str(run_b)),
        dataset=dataset,
        samples=samples,
        scores=tuple(_difference(summary, name) for name in SCORE_NAMES),
        classes=_class_differences(dataset, evaluator_a, evaluator_b),
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


def _difference(summary: Mapping[str, Any], name: str) -> Difference:
    """One of COCO's twelve numbers in a comparison by hotcoco."""
    a = known(summary["metrics_a"][name])
    b = known(summary["metrics_b"][name])
    return Difference(name, a, b, interval_of(summary, name))


def _class_differences(
    dataset: CocoDataset, evaluator_a: "COCOeval", evaluator_b: "COCOeval"
) -> tuple[Difference, ...]:
    """AP of the classes that have ground truth, the largest difference first."""
    samples = class_samples(dataset.label_map.num_classes)
    aps_a = _class_aps(evaluator_a)
    aps_b = _class_aps(evaluator_b)
    differences: list[Difference] = []
    for label, name in enumerate(dataset.label_map.names):
        if math.isnan(aps_a[label]):
            continue
        interval = class_interval(evaluator_a, evaluator_b, label, samples)
        differences.append(Difference(name, aps_a[label], aps_b[label], interval))
    return tuple(sorted(differences, key=lambda row: -abs(row.b - row.a)))


def _class_aps(evaluator: "COCOeval") -> list[float]:
    """AP of each class, nan without ground truth."""
    curves = evaluator.eval
    assert curves is not None  # accumulate made them
    precision = np.asarray(curves["precision"])[:, :, :, 0, -1]  # (10, 101, K)
    return [mean_defined(precision[:, :, label]) for label in range(precision.shape[2])]
