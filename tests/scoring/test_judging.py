"""Right, wrong, missed and ignored boxes of an image, by hand and as hotcoco has them."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.outcomes import Outcome
from tasks.scoring.engines import hotcoco_evaluator
from tasks.scoring.judging import judge_image
from tasks.scoring.results import DetectionResults

RIGHT = Outcome.RIGHT
WRONG = Outcome.WRONG
MISSED = Outcome.MISSED
IGNORED = Outcome.IGNORED
Boxes = list[tuple[float, float, float, float]]


def judge(
    objects: Boxes,
    detections: Boxes,
    *,
    labels: tuple[int, ...] = (0, 0),
    found: tuple[int, ...] = (0, 0),
    crowd: tuple[bool, ...] = (False, False),
    scores: tuple[float, ...] = (0.9, 0.8),
) -> tuple[list[Outcome], list[Outcome]]:
    """Outcomes of up to two objects and two detections, of class 0 unless it is said."""
    count = len(objects)
    truth = np.array(objects, np.float64).reshape(-1, 4)
    boxes = np.array(detections, np.float64).reshape(-1, 4)
    return judge_image(
        (truth, np.array(labels[:count]), np.array(crowd[:count], np.bool_)),
        (boxes, np.array(found[: len(boxes)]), np.array(scores[: len(boxes)], np.float64)),
    )


def test_a_box_of_half_the_union_is_right() -> None:
    assert judge([(0, 0, 10, 10)], [(0, 0, 10, 5)]) == ([RIGHT], [RIGHT])


def test_a_smaller_overlap_is_wrong_and_the_object_missed() -> None:
    assert judge([(0, 0, 10, 10)], [(0, 0, 10, 4.9)]) == ([MISSED], [WRONG])


def test_another_class_is_wrong() -> None:
    assert judge([(0, 0, 10, 10)], [(0, 0, 10, 10)], found=(1,)) == ([MISSED], [WRONG])


def test_of_two_detections_the_one_of_higher_score_is_right() -> None:
    both: Boxes = [(0, 0, 10, 9), (0, 0, 10, 10)]
    assert judge([(0, 0, 10, 10)], both)[1] == [RIGHT, WRONG]
    assert judge([(0, 0, 10, 10)], both, scores=(0.8, 0.9))[1] == [WRONG, RIGHT]


def test_a_detection_takes_the_object_that_it_overlaps_most() -> None:
    assert judge([(0, 0, 10, 7), (0, 0, 10, 9)], [(0, 0, 10, 10)])[0] == [MISSED, RIGHT]


def test_detections_inside_a_crowd_are_ignored() -> None:
    found: Boxes = [(0, 0, 10, 10), (20, 0, 10, 10)]
    assert judge([(0, 0, 100, 100)], found, crowd=(True,)) == ([IGNORED], [IGNORED, IGNORED])


def test_nothing_found_and_nothing_there() -> None:
    assert judge([], []) == ([], [])
    assert judge([], [(0, 0, 5, 5)]) == ([], [WRONG])
    assert judge([(0, 0, 5, 5)], []) == ([MISSED], [])


@pytest.fixture
def dataset(tmp_path: Path) -> CocoDataset:
    """An image of 40 objects in 3 classes, every eighth a crowd, on a grid that they overlap."""
    random = np.random.default_rng(0)
    annotations = []
    for number in range(1, 41):
        box = [*random.uniform(0, 300, 2), *random.uniform(20, 80, 2)]
        annotations.append(
            {
                "id": number,
                "image_id": 1,
                "category_id": int(random.integers(1, 4)),
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(number % 8 == 0),
            }
        )
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 400, "width": 400}],
        "categories": [{"id": number, "name": f"class {number}"} for number in (1, 2, 3)],
        "annotations": annotations,
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return read_coco(tmp_path / "truth.json")


def test_outcomes_are_those_of_hotcoco(dataset: CocoDataset) -> None:
    random = np.random.default_rng(1)
    rows = random.integers(0, 40, 60)
    boxes = dataset.boxes[rows] + random.normal(scale=6, size=(60, 4))
    scores = random.permutation(np.linspace(0.1, 0.9, 60))
    labels = np.where(random.random(60) < 0.2, 0, dataset.labels[rows])
    results = DetectionResults(np.ones(60, np.int64), boxes, scores, labels)
    diagnosis = hotcoco_evaluator(dataset, results).image_diagnostics(iou_thr=0.5)
    of_objects, of_detections = judge_image(
        (dataset.boxes, dataset.labels, dataset.crowd), (boxes, labels, scores)
    )
    right = {number for number, status in diagnosis["dt_status"].items() if status == "tp"}
    wrong = {number for number, status in diagnosis["dt_status"].items() if status == "fp"}
    missed = {number for number, status in diagnosis["gt_status"].items() if status == "fn"}
    assert right == {place + 1 for place in range(60) if of_detections[place] is RIGHT}
    assert wrong == {place + 1 for place in range(60) if of_detections[place] is WRONG}
    assert missed == {place + 1 for place in range(40) if of_objects[place] is MISSED}
