"""Two evaluations of the same ground truth side by side, with paired bootstrap intervals by
hotcoco.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset
from tasks.report.build import read_evaluated
from tasks.report.instances.analysis import (
    Interval,
    bootstrap_samples,
    class_interval,
    class_samples,
    compare,
    interval_of,
    known,
)
from tasks.scoring.engines import SCORE_NAMES, hotcoco_evaluator, mean_defined

if TYPE_CHECKING:
    from hotcoco import COCOeval

COMPARED = ("boxes", "labels", "crowd", "areas", "sizes", "first")


@dataclass(frozen=True)
class Difference:
    """A score of both, and the 95 % interval of b - a."""

    name: str
    a: float
    b: float
    interval: Interval

    def __str__(self) -> str:
        if math.isnan(self.a) or math.isnan(self.b):
            return f"{_number(self.a)}{_number(self.b)}{'n/a':>8}"
        low, high = self.interval
        sure = "  *" if low > 0 or high < 0 else ""
        return (
            f"{_number(self.a)}{_number(self.b)}{100 * (self.b - self.a):>+8.1f}  "
            f" {_span(low, high)}{sure}".rstrip()
        )


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
    settings: tuple[tuple[str, str, str], ...] | None
    """Names and both values of the settings that differ; None where a run has no config.yaml."""

    def __str__(self) -> str:
        objects = int((~self.dataset.crowd).sum())
        lines = [
            f"a: {self.runs[0]}",
            f"b: {self.runs[1]}",
            f"on {self.dataset.path}: {len(self.dataset)} images, {objects} objects",
            (
                f"Times 100; 95 % intervals of b - a over images ({self.samples} paired bootstrap"
                " samples); * excludes 0"
            ),
            "",
            *_table("score", self.scores),
            "",
            *_table("AP by class", self.classes),
            "",
        ]
        if self.settings is None:
            return "\n".join(
                [*lines, "settings: not compared, as not both folders hold a config.yaml"]
            )
        rows = [f"  {name}: {a} -> {b}" for name, a, b in self.settings]
        return "\n".join([*lines, "settings that differ (a -> b)", *(rows or ["  none"])])


def compare_runs(run_a: str | Path, run_b: str | Path) -> Comparison:
    """Compare the last evaluations in two folders; UserError where they are not of the same ground
    truth.
    """
    dataset, found_a = read_evaluated(run_a)
    other, found_b = read_evaluated(run_b)
    _check_same(dataset, other, run_a, run_b)
    one, two = (hotcoco_evaluator(dataset, found) for found in (found_a, found_b))
    samples = bootstrap_samples(max(len(found_a), len(found_b)), dataset.label_map.num_classes)
    summary = compare(one, two, samples)
    narrow = class_samples(dataset.label_map.num_classes)
    aps = (_class_aps(one), _class_aps(two))
    classes = [
        Difference(name, a, b, class_interval(one, two, label, narrow))
        for label, (name, a, b) in enumerate(zip(dataset.label_map.names, *aps, strict=True))
        if not math.isnan(a)
    ]
    return Comparison(
        runs=(str(run_a), str(run_b)),
        dataset=dataset,
        samples=samples,
        scores=tuple(
            Difference(
                name,
                known(summary["metrics_a"][name]),
                known(summary["metrics_b"][name]),
                interval_of(summary, name),
            )
            for name in SCORE_NAMES
        ),
        classes=tuple(sorted(classes, key=lambda one: -abs(one.b - one.a))),
        settings=_differing_settings(Path(run_a), Path(run_b)),
    )


def _check_same(one: CocoDataset, other: CocoDataset, run_a: str | Path, run_b: str | Path) -> None:
    """Refuse ground truths that are not equal in what counts; paths and file names do not."""
    differing = [
        name for name in COMPARED if not np.array_equal(getattr(one, name), getattr(other, name))
    ]
    if one.label_map.names != other.label_map.names:
        differing.append("classes")
    if not differing:
        return
    seen = " and ".join(
        f"{run} was scored on {data.path} ({len(data)} images, {len(data.labels)} annotations)"
        for run, data in ((run_a, one), (run_b, other))
    )
    raise UserError(
        f"runs must be scored on the same ground truth, but {seen}, which differ in"
        f" {', '.join(differing)}; score both on one file: tools/eval_det.py RUN"
        " data.val.annotations=FILE data.val.images=FOLDER"
    )


def _class_aps(evaluator: "COCOeval") -> list[float]:
    """AP of each class, nan without ground truth."""
    curves = evaluator.eval
    assert curves is not None  # accumulate made them
    precision = np.asarray(curves["precision"])[:, :, :, 0, -1]  # (10, 101, K)
    return [mean_defined(precision[:, :, label]) for label in range(precision.shape[2])]


def _differing_settings(run_a: Path, run_b: Path) -> tuple[tuple[str, str, str], ...] | None:
    """Settings of two runs that differ; the folder's own name is none."""
    settings = (_settings(run_a), _settings(run_b))
    if not all(settings):
        return None
    names = dict.fromkeys([*settings[0], *settings[1]])
    pairs = ((name, *(str(one.get(name, "absent")) for one in settings)) for name in names)
    return tuple((name, a, b) for name, a, b in pairs if a != b and name != "run.output_dir")


def _settings(folder: Path) -> dict[str, Any]:
    """config.yaml of a run's folder, or of the run that an evaluation/ folder lies in, as flat
    names.
    """
    for file in (folder / "config.yaml", folder.resolve().parent / "config.yaml"):
        if file.is_file():
            return dict(_flat(yaml.safe_load(file.read_text(encoding="utf-8")), ""))
    return {}


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        yield from (
            _flat(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else [(f"{prefix}{name}", value)]
        )


def _table(title: str, rows: Sequence[Difference]) -> list[str]:
    """Lines of one table."""
    width = max([len(row.name) for row in rows] + [len(title)])
    head = f"{title:<{width}}{'a':>8}{'b':>8}{'b - a':>8}   95 % interval"
    return [head, *(f"{row.name:<{width}}{row}" for row in rows)]


def _number(value: float) -> str:
    return f"{'n/a' if math.isnan(value) else format(100 * value, '.1f'):>8}"


def _span(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"
