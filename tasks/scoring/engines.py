"""The two engines that score boxes: hotcoco, fast and analysing, and pycocotools, the reference."""

import contextlib
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.datasets.coco.objects import SCORED_DETECTIONS
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


def detection_limits(limit: int) -> tuple[int, int, int]:
    """How many detections of a class and image COCO's three recalls are of; the last is of all
    other scores.
    """
    return (1, 10, limit)


def mean_defined(values: NDArray[np.float64]) -> float:
    """Average the entries that ground truth defines, those above -1; nan where there are none."""
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else math.nan


def summarize(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> list[float]:
    """COCO's twelve numbers, as in SCORE_NAMES.

    `precision` is (thresholds, recalls, classes, sizes, limits), `recall` lacks the second.
    """
    half = 0  # index of IoU 0.50 among 0.50, 0.55 … 0.95
    three_quarters = 5
    sizes = (1, 2, 3)  # small, medium and large, after all
    limits = range(recall.shape[3])
    overall = [
        mean_defined(precision[:, :, :, 0, -1]),
        mean_defined(precision[half, :, :, 0, -1]),
        mean_defined(precision[three_quarters, :, :, 0, -1]),
    ]
    by_size = [mean_defined(precision[:, :, :, size, -1]) for size in sizes]
    recall_by_limit = [mean_defined(recall[:, :, 0, limit]) for limit in limits]
    recall_by_size = [mean_defined(recall[:, :, size, -1]) for size in sizes]
    return overall + by_size + recall_by_limit + recall_by_size


def run_hotcoco(
    dataset: CocoDataset, results: DetectionResults, limit: int = SCORED_DETECTIONS
) -> tuple[list[float], NDArray[np.float64]]:
    """Compute COCO's twelve numbers and the precision array with hotcoco."""
    curves = hotcoco_evaluator(dataset, results, limit).eval
    assert curves is not None  # accumulate made them
    precision = np.asarray(curves["precision"])
    return summarize(precision, np.asarray(curves["recall"])), precision


def hotcoco_evaluator(
    dataset: CocoDataset, results: DetectionResults, limit: int = SCORED_DETECTIONS
) -> "COCOeval":
    """Make hotcoco's evaluator, accumulated, with no Python object per annotation or detection.

    Its category ids are labels; object i of the data set has the id i + 1 in it, and so has
    detection i.
    """
    import hotcoco

    truth = hotcoco.COCO.from_arrays(
        _image_records(dataset),
        _category_records(dataset),
        np.repeat(dataset.image_ids, np.diff(dataset.first)),
        dataset.labels,
        dataset.boxes,
        area=dataset.areas,
        iscrowd=dataset.crowd,
    )
    rows = np.column_stack((results.image_ids, results.boxes, results.scores, results.labels))
    evaluator = hotcoco.COCOeval(truth, truth.load_res(rows), "bbox")
    evaluator.params.max_dets = list(detection_limits(limit))
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator


def run_pycocotools(
    dataset: CocoDataset, results: DetectionResults, limit: int = SCORED_DETECTIONS
) -> tuple[list[float], NDArray[np.float64]]:
    """Compute COCO's twelve numbers as pycocotools sums them up, and the precision array.

    It is given class by class, with the images of each, as it spends time on every pair of a class
    and an image; what it computes of a class depends on no other.
    """
    from pycocotools.cocoeval import COCOeval

    whole = COCOeval(iouType="bbox")
    params = whole.params
    params.maxDets = list(detection_limits(limit))
    classes = dataset.label_map.num_classes
    kinds = (classes, len(params.areaRng), len(params.maxDets))
    precision = np.full((len(params.iouThrs), len(params.recThrs), *kinds), -1.0)
    recall = np.full((len(params.iouThrs), *kinds), -1.0)
    annotations = _by_class(ground_truth(dataset)["annotations"])
    labels = range(classes)
    found = _by_class(records(results, dataset.image_ids.tolist(), labels))
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress with print()
        for label, objects in annotations.items():
            curves = _class_curves(label, objects, found.get(label, []), params.maxDets)
            precision[:, :, label] = curves["precision"][:, :, 0]
            recall[:, label] = curves["recall"][:, 0]
        if limit != SCORED_DETECTIONS:  # its summary knows no other
            return summarize(precision, recall), precision
        whole.eval = {"precision": precision, "recall": recall}
        whole.summarize()
    twelve = [math.nan if value == -1 else float(value) for value in whole.stats]
    return twelve, precision


def _by_class(rows: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """The records of each label, in their order."""
    by_class: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_class.setdefault(row["category_id"], []).append(row)
    return by_class


def _class_curves(
    label: int,
    objects: Sequence[dict[str, Any]],
    found: Sequence[dict[str, Any]],
    limits: Sequence[int],
) -> dict[str, NDArray[np.float64]]:
    """The arrays that pycocotools accumulates of one class."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = sorted({record["image_id"] for record in (*objects, *found)})
    listed = {"images": [{"id": image} for image in images], "categories": [{"id": label}]}
    truth = COCO()
    truth.dataset = {**listed, "annotations": objects}
    truth.createIndex()
    if found:
        detections = truth.loadRes(found)
    else:  # loadRes fails on an empty list
        detections = COCO()
        detections.dataset = {**listed, "annotations": []}
        detections.createIndex()
    evaluator = COCOeval(truth, detections, "bbox")
    evaluator.params.maxDets = limits
    evaluator.evaluate()
    evaluator.accumulate()
    curves: dict[str, NDArray[np.float64]] = evaluator.eval
    return curves


def ground_truth(dataset: CocoDataset) -> dict[str, Any]:
    """Return the data set as pycocotools wants it.

    Image ids are 1..N, annotation ids 1..M, category ids 0..K-1.
    """
    columns = (
        np.repeat(dataset.image_ids, np.diff(dataset.first)).tolist(),
        dataset.labels.tolist(),
        dataset.boxes.tolist(),
        dataset.areas.tolist(),
        dataset.crowd.tolist(),
    )
    annotations = []
    rows = zip(*columns, strict=True)
    for number, (image, label, box, area, crowd) in enumerate(rows, start=1):
        record = {
            "id": number,
            "image_id": image,
            "category_id": label,
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd),
        }
        annotations.append(record)
    return {
        "images": _image_records(dataset),
        "categories": _category_records(dataset),
        "annotations": annotations,
    }


def _image_records(dataset: CocoDataset) -> list[dict[str, Any]]:
    sizes: list[list[int]] = dataset.sizes.tolist()
    return [
        {"id": image, "height": height, "width": width}
        for image, (height, width) in zip(dataset.image_ids.tolist(), sizes, strict=True)
    ]


def _category_records(dataset: CocoDataset) -> list[dict[str, Any]]:
    return [{"id": label, "name": name} for label, name in enumerate(dataset.label_map.names)]
