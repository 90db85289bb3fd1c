"""COCO's box scores by two engines that must agree, and their table.

A score that nothing in the data set defines (no object of that size or class) is nan. COCO's limits
of 1, 10 and 100 detections per image and class hold, unless another `limit` replaces 100; `AR100`
is then the recall with that many.
"""

import importlib.metadata
from collections.abc import Mapping
from typing import Literal

import numpy as np

from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.objects import SCORED_DETECTIONS
from tasks.labels import LabelMap
from tasks.scoring.engines import (
    SCORE_NAMES,
    detection_limits,
    mean_defined,
    run_hotcoco,
    run_pycocotools,
)
from tasks.scoring.evaluation import class_lines, class_scores, percent_cell
from tasks.scoring.results import DetectionResults

Backend = Literal["hotcoco", "pycocotools"]


def score_boxes(
    dataset: CocoDataset,
    results: DetectionResults,
    backend: Backend = "hotcoco",
    limit: int = SCORED_DETECTIONS,
) -> dict[str, float]:
    """Compute COCO's twelve numbers as `box/AP` … `box/ARl`, then `box/AP/<class>` per class.

    They are nan without ground truth. Both backends give the same numbers to the last bit; hotcoco
    is the fast one. The best `limit` detections of a class and image count.
    """
    run = run_hotcoco if backend == "hotcoco" else run_pycocotools
    twelve, precision = run(dataset, results, limit)
    classes = dataset.label_map.num_classes
    by_class = [mean_defined(precision[:, :, label, 0, -1]) for label in range(classes)]
    return dict(zip(score_names(dataset.label_map), [*twelve, *by_class], strict=True))


def score_names(label_map: LabelMap) -> list[str]:
    """The names that `score_boxes` gives its scores, in order."""
    names = [f"box/{name}" for name in SCORE_NAMES]
    return names + [f"box/AP/{name}" for name in label_map.names]


def final_scores(
    dataset: CocoDataset, results: DetectionResults, limit: int = SCORED_DETECTIONS
) -> dict[str, float]:
    """Compute the scores of `score_boxes` by hotcoco and by pycocotools.

    Raises RuntimeError with both where they differ.
    """
    fast = score_boxes(dataset, results, "hotcoco", limit)
    reference = score_boxes(dataset, results, "pycocotools", limit)
    lines: list[str] = []
    for name, expected in reference.items():
        if not np.array_equal(fast[name], expected, equal_nan=True):
            lines.append(f"  {name}: hotcoco {fast[name]!r}, pycocotools {expected!r}")
    if lines:
        versions = " and ".join(f"{name} {version}" for name, version in engine_versions().items())
        raise RuntimeError(
            f"a final score must be the same by {versions}, but they differ in\n"
            + "\n".join(lines)
            + "\npycocotools is the reference; try another version of hotcoco and report the"
            " results file to it"
        )
    return fast


def engine_versions() -> dict[str, str]:
    """Return the versions of the two scoring libraries."""
    return {name: importlib.metadata.version(name) for name in ("hotcoco", "pycocotools")}


def scoring_facts(
    dataset: CocoDataset,
    results: DetectionResults,
    *,
    final: bool,
    limit: int = SCORED_DETECTIONS,
) -> dict[str, object]:
    """Facts about the scores and the scoring libraries, for `write_evaluation`."""
    versions = engine_versions()
    return {
        "annotations": str(dataset.path.absolute()),
        "image_root": str(dataset.image_root.absolute()),
        "images": len(dataset.image_ids),
        "objects": int((~dataset.crowd).sum()),
        "crowds": int(dataset.crowd.sum()),
        "detections": len(results),
        "max_detections": list(detection_limits(limit)),
        "engines": versions if final else {"hotcoco": versions["hotcoco"]},
    }


def crowded_note(dataset: CocoDataset, limit: int = SCORED_DETECTIONS) -> tuple[str, ...]:
    """Note about images that hold more objects of a class than detections are scored."""
    owners = np.repeat(np.arange(len(dataset)), np.diff(dataset.first))[~dataset.crowd]
    pairs = np.stack((owners, dataset.labels[~dataset.crowd]))
    kinds, counts = np.unique(pairs, axis=1, return_counts=True)
    beyond = int((counts > limit).sum())
    if not beyond:
        return ()
    image, label = kinds[:, counts.argmax()].tolist()
    most = f"{counts.max()} of {dataset.label_map.names[label]!r} in {dataset.file_names[image]}"
    found = int(np.minimum(counts, limit).sum())
    return (
        f"at most {limit} detections of a class and image are scored (COCO's rule; a run's"
        " data.scored_detections, or --max-detections, raises it)"
        f", and {beyond} times an image holds more objects of a class (at most {most}): no"
        f" detector finds more than {100 * found / counts.sum():.1f} % of the objects",
    )


def format_table(scores: Mapping[str, float], limit: int = SCORED_DETECTIONS) -> str:
    """Format COCO's twelve numbers and the classes' AP, times 100, as text for a terminal."""
    lines = [
        f"COCO box scores, times 100 (AP over IoU 0.50 to 0.95, at most {limit} detections of a"
        " class and image)"
    ]
    for names in (SCORE_NAMES[:6], SCORE_NAMES[6:]):
        shown = [f"AR{limit}" if name == "AR100" else name for name in names]
        lines.append("".join(f"{name:>7}" for name in shown))
        lines.append("".join(percent_cell(scores[f"box/{name}"]) for name in names))
    lines += class_lines("AP by class", class_scores(scores, "box/AP/"), "ground truth")
    return "\n".join(lines)
