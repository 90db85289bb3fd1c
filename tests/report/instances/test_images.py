"""Images of a report: what came of each box, in the picture and in words below."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tasks.datasets.coco.dataset import read_coco
from tasks.outcomes import Outcome
from tasks.report.instances.analysis import analyse
from tasks.report.instances.images import Pictures
from tasks.scoring.results import DetectionResults


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """Two cats and a crowd of cats; one cat is found, and so are a dog that is not there and a cat
    inside the crowd.
    """
    boxes = [[10, 10, 30, 30], [60, 10, 30, 30], [10, 60, 80, 50]]
    annotations = []
    for number, box in enumerate(boxes, start=1):
        record = {"id": number, "image_id": 7, "category_id": 1, "bbox": box}
        annotations.append({**record, "area": box[2] * box[3], "iscrowd": int(number == 3)})
    content = {
        "images": [{"id": 7, "file_name": "a.png", "height": 120, "width": 160}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": annotations,
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    dataset = read_coco(tmp_path / "truth.json")
    found = np.array([[10.0, 10, 30, 30], [110, 10, 30, 30], [20, 70, 20, 20]])
    scores = np.array([0.9, 0.9, 0.9])
    results = DetectionResults(np.ones(3, np.int64), found, scores, np.array([0, 1, 0]))
    return Pictures(dataset, analyse(dataset, results), "apply")


def test_boxes_have_the_outcomes_that_were_counted(pictures: Pictures) -> None:
    right, wrong = Outcome.RIGHT, Outcome.WRONG
    assert pictures.predicted(1).outcomes == [right, wrong, Outcome.IGNORED]
    assert pictures.truth(1).outcomes == (right, Outcome.MISSED, Outcome.IGNORED)


def test_wrong_and_missed_boxes_are_listed_by_class(pictures: Pictures) -> None:
    (below,) = re.findall("<small>(.*?)</small>", pictures.gallery([1]))
    counts = "1 right · 1 wrong (dog 1) · 1 missed (cat 1) · F1 50"
    assert below.startswith(f"a.png<br>{counts}<br>the image file is missing")
