"""The two engines that score boxes: hotcoco, which is fast and analyses too, and pycocotools, the
reference.
"""

import contextlib
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.scoring.results import DetectionResults, records

if TYPE_CHECKING:
    from hotcoco import COCOeval

SCORE_NAMES = (
    "AP",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "AR1",
    "AR10",
    "AR100",
    "ARs",
    "ARm",
    "ARl",
)
MAX_DETECTIONS = (1, 10, 100)


def mean_defined(values: NDArray[np.float64]) -> float:
    """Mean of the entries that ground truth defines, which are those above -1; nan where there are
    none.
    """
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else math.nan


def _summarize(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> list[float]:
    """COCO's twelve numbers; precision is (thresholds, recalls, classes, sizes, limits), recall
    lacks the second.
    """
    half, three_quarters = 0, 5  # places of IoU 0.50 and 0.75 among 0.50, 0.55 … 0.95
    sizes = (1, 2, 3)  # small, medium and large, after all
    return [
        mean_defined(precision[:, :, :, 0, -1]),
        mean_defined(precision[half, :, :, 0, -1]),
        mean_defined(precision[three_quarters, :, :, 0, -1]),
        *(mean_defined(precision[:, :, :, size, -1]) for size in sizes),
        *(mean_defined(recall[:, :, 0, limit]) for limit in range(len(MAX_DETECTIONS))),
        *(mean_defined(recall[:, :, size, -1]) for size in sizes),
    ]


def run_hotcoco(
    dataset: CocoDataset, results: DetectionResults
) -> tuple[list[float], NDArray[np.float64]]:
    """COCO's twelve numbers and the precision array."""
    curves = hotcoco_evaluator(dataset, results).eval
    assert curves is not None  # accumulate made them
    precision = np.asarray(curves["precision"])
    return _summarize(precision, np.asarray(curves["recall"])), precision


def hotcoco_evaluator(dataset: CocoDataset, results: DetectionResults) -> "COCOeval":
    """hotcoco's evaluator, accumulated, made with no Python object per annotation or detection.

    Its category ids are labels; object i of the data set has the id i + 1 in it, and so has
    detection i.
    """
    import hotcoco

    sizes: Sequence[tuple[int, int]] = dataset.sizes.tolist()
    images = [
        {"id": image, "height": height, "width": width}
        for image, (height, width) in zip(dataset.image_ids.tolist(), sizes, strict=True)
    ]
    truth = hotcoco.COCO.from_arrays(
        images,
        [{"id": label, "name": name} for label, name in enumerate(dataset.label_map.names)],
        np.repeat(dataset.image_ids, np.diff(dataset.first)),
        dataset.labels,
        dataset.boxes,
        area=dataset.areas,
        iscrowd=dataset.crowd,
    )
    rows = np.column_stack((results.image_ids, results.boxes, results.scores, results.labels))
    evaluator = hotcoco.COCOeval(truth, truth.load_res(rows), "bbox")
    evaluator.params.max_dets = list(MAX_DETECTIONS)
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator


def run_pycocotools(
    dataset: CocoDataset, results: DetectionResults
) -> tuple[list[float], NDArray[np.float64]]:
    """COCO's twelve numbers as pycocotools itself sums them up, and the precision array."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress with print()
        truth, found = COCO(), COCO()
        truth.dataset = ground_truth(dataset)
        truth.createIndex()
        if len(results):
            labels = range(dataset.label_map.num_classes)
            found = truth.loadRes(records(results, dataset.image_ids.tolist(), labels))
        else:  # loadRes fails on an empty list
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluator = COCOeval(truth, found, "bbox")
        evaluator.params.maxDets = list(MAX_DETECTIONS)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    twelve = [math.nan if value == -1 else float(value) for value in evaluator.stats]
    return twelve, evaluator.eval["precision"]


def ground_truth(dataset: CocoDataset) -> dict[str, Any]:
    """The data set as pycocotools wants it: image ids 1..N, annotation ids 1..M, category ids
    0..K-1.
    """
    images = np.repeat(dataset.image_ids, np.diff(dataset.first)).tolist()
    columns = (
        images,
        dataset.labels.tolist(),
        dataset.boxes.tolist(),
        dataset.areas.tolist(),
        dataset.crowd.tolist(),
    )
    return {
        "images": [
            {"id": image, "height": height, "width": width}
            for image, (height, width) in zip(
                dataset.image_ids.tolist(), dataset.sizes.tolist(), strict=True
            )
        ],
        "categories": [
            {"id": label, "name": name} for label, name in enumerate(dataset.label_map.names)
        ],
        "annotations": [
            {
                "id": row,
                "image_id": image,
                "category_id": label,
                "bbox": box,
                "area": area,
                "iscrowd": int(crowd),
            }
            for row, (image, label, box, area, crowd) in enumerate(
                zip(*columns, strict=True), start=1
            )
        ],
    }
