"""Time COCO box scores at the size of val2017 against pycocotools, from the two JSON files to the
twelve numbers.

N images, M objects, D detections. The data is random, as nobody's detections of val2017 can be
shipped; it has crowds, equal scores, misplaced boxes and wrong classes.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Goal, OutputsDifferError, Report, Timings, interleave
from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import read_coco
from tasks.scoring.engines import SCORE_NAMES
from tasks.scoring.instances import score_boxes
from tasks.scoring.results import read_results_json

IMAGES, OBJECTS, DETECTIONS, CLASSES = 5000, 36_781, 500_000, 80
CROWDS = 0.012  # share of the objects, as in val2017
GOAL = 60.0


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Size of the data and numbers of rounds."""

    scale: float
    """Size of the data relative to val2017's images, objects and detections."""
    rounds: int
    seed: int = 0


def run(settings: EvaluationSettings) -> Report:
    """Draw the data, compare the scores, then time them; OutputsDifferError if any bit of a score
    differs.
    """
    if not 0 < settings.scale <= 1:
        raise UserError(f"--scale must be in (0, 1], got {settings.scale}")
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "truth.json"
        results = Path(folder) / "results.json"
        counts = draw(truth, results, settings.scale, settings.seed)
        first = check_equal(pycocotools_scores(truth, results), our_scores(truth, results))
        dataset = read_coco(truth)
        found = read_results_json(results, dataset)
        variants = {
            "pycocotools": lambda: pycocotools_scores(truth, results),
            "ours": lambda: our_scores(truth, results),
            "ours, as in training: detections in memory": lambda: score_boxes(dataset, found),
        }
        seconds = interleave(variants, settings.rounds, warm_up=False)
        stages = our_stages(truth, results)
    title = "JSON files to twelve numbers: {} images, {} objects, {} detections".format(*counts)
    return Report(
        "evaluation",
        "COCO evaluation",
        (f"the twelve numbers are equal to the last bit; {first}",),
        (Timings(title, seconds, (Goal("ours", "pycocotools", GOAL),), work=counts[0]),),
        (
            "Where ours spends its time: "
            + ", ".join(f"{name} {value:.2f} s" for name, value in stages.items()),
        ),
    )


def pycocotools_scores(truth: Path, results: Path) -> list[float]:
    """The twelve numbers of two files by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress with print()
        coco = COCO(str(truth))
        evaluator = COCOeval(coco, coco.loadRes(str(results)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(value) for value in evaluator.stats]


def our_scores(truth: Path, results: Path) -> list[float]:
    """The twelve numbers of two files by our readers and scorer."""
    dataset = read_coco(truth)
    scores = score_boxes(dataset, read_results_json(results, dataset))
    return [scores[f"box/{name}"] for name in SCORE_NAMES]


def our_stages(truth: Path, results: Path) -> dict[str, float]:
    """Seconds of each part of `our_scores`."""
    clock = [time.perf_counter()]
    dataset = read_coco(truth)
    clock.append(time.perf_counter())
    found = read_results_json(results, dataset)
    clock.append(time.perf_counter())
    score_boxes(dataset, found)
    clock.append(time.perf_counter())
    names = ("reading the annotations", "reading the detections", "scoring")
    return {name: end - start for name, start, end in zip(names, clock, clock[1:], strict=False)}


def check_equal(expected: Sequence[float], found: Sequence[float]) -> str:
    """Return a line with some of the numbers; OutputsDifferError lists all that differ, where -1
    counts as our nan.
    """
    found = [-1.0 if value != value else value for value in found]
    pairs = list(zip(SCORE_NAMES, expected, found, strict=True))
    differing = [
        f"{name}: pycocotools {one!r}, ours {other!r}" for name, one, other in pairs if one != other
    ]
    if differing:
        raise OutputsDifferError(
            "the scores must be equal to the last bit, but " + "; ".join(differing)
        )
    return ", ".join(f"{name} {one:.4f}" for name, one, _ in pairs[:3])


def draw(truth: Path, results: Path, scale: float, seed: int) -> tuple[int, int, int]:
    """Write an annotation and a results file; return their numbers of images, objects and
    detections.
    """
    rng = np.random.default_rng(seed)
    counts = tuple(max(1, round(scale * count)) for count in (IMAGES, OBJECTS, DETECTIONS))
    images, objects, detections = counts
    sizes = rng.integers(320, 641, (images, 2))  # (N, 2) width, height
    owners = rng.integers(0, images, objects)
    labels = _classes(rng, objects)
    boxes = _boxes(rng, sizes[owners])
    crowd = rng.random(objects) < CROWDS
    truth.write_text(json.dumps(_truth(sizes, owners, labels, boxes, crowd)))
    copied = rng.integers(0, objects, detections)  # the object that each detection means
    found = _moved(rng, boxes[copied])
    stray = rng.random(detections) < 0.6
    found_owners = np.where(stray, rng.integers(0, images, detections), owners[copied])
    wrong = rng.random(detections) < 0.1
    found_labels = np.where(wrong, _classes(rng, detections), labels[copied])
    scores = np.where(stray, 0.6, 1.0) * rng.beta(1, 2, detections)
    scores = np.where(rng.random(detections) < 0.3, scores.round(2), scores)  # ties
    results.write_text(json.dumps(_results(found_owners, found_labels, found.round(2), scores)))
    return images, objects, detections


def _classes(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Class of each object: few frequent classes and many rare ones."""
    shares = 1 / np.arange(1, CLASSES + 1)
    return rng.choice(CLASSES, count, p=shares / shares.sum())


def _boxes(rng: np.random.Generator, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Boxes (M, 4) x, y, width, height inside images of those sizes; small ones are the most
    frequent.
    """
    extent = sizes * np.exp(rng.uniform(np.log(0.02), np.log(0.9), sizes.shape))
    corner = rng.random(sizes.shape) * (sizes - extent)
    return np.concatenate((corner, extent), axis=1).round(2).clip(min=1)


def _moved(rng: np.random.Generator, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes displaced by a few per cent of their sides."""
    sides = np.tile(boxes[:, 2:], 2)
    return boxes + rng.normal(0, 0.06, boxes.shape) * sides * (1, 1, 0.5, 0.5)


def _truth(
    sizes: NDArray[np.int64],
    owners: NDArray[np.int64],
    labels: NDArray[np.int64],
    boxes: NDArray[np.float64],
    crowd: NDArray[np.bool_],
) -> dict[str, Any]:
    columns = (owners.tolist(), labels.tolist(), boxes.tolist(), crowd.tolist())
    return {
        "images": [
            {"id": 7 * place + 1, "file_name": f"{place}.jpg", "width": width, "height": height}
            for place, (width, height) in enumerate(sizes.tolist())
        ],
        "categories": [{"id": 2 * label + 1, "name": f"class {label}"} for label in range(CLASSES)],
        "annotations": [
            {
                "id": row,
                "image_id": 7 * owner + 1,
                "category_id": 2 * label + 1,
                "bbox": box,
                "area": 0.7 * box[2] * box[3],
                "iscrowd": int(is_crowd),
            }
            for row, (owner, label, box, is_crowd) in enumerate(zip(*columns, strict=True), start=1)
        ],
    }


def _results(
    owners: NDArray[np.int64],
    labels: NDArray[np.int64],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> list[dict[str, Any]]:
    columns = (owners.tolist(), labels.tolist(), boxes.clip(min=0.01).tolist(), scores.tolist())
    return [
        {"image_id": 7 * owner + 1, "category_id": 2 * label + 1, "bbox": box, "score": score}
        for owner, label, box, score in zip(*columns, strict=True)
    ]
