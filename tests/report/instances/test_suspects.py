"""Annotations to look at: pictures of the boxes, file names and ids to find them by."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.datasets.coco.dataset import read_coco
from tasks.report.instances.analysis import analyse
from tasks.report.instances.images import Pictures
from tasks.report.instances.suspects import suspects_section, window_around
from tasks.scoring.results import DetectionResults


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """An image whose only object is annotated as a cat and found as a dog, and a cat that nobody
    annotated.
    """
    Image.new("RGB", (160, 120), (90, 90, 90)).save(tmp_path / "<a>.png")
    box = [10, 20, 40, 30]
    content = {
        "images": [{"id": 7, "file_name": "<a>.png", "height": 120, "width": 160}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {
                "id": "x<17>",
                "image_id": 7,
                "category_id": 1,
                "bbox": box,
                "area": 1200,
                "iscrowd": 0,
            }
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    dataset = read_coco(tmp_path / "truth.json")
    boxes = np.array([box, [100.0, 60, 30, 40]])
    results = DetectionResults(np.ones(2, np.int64), boxes, np.array([0.9, 0.8]), np.array([1, 0]))
    return Pictures(dataset, analyse(dataset, results), "apply")


def test_each_is_named_by_file_and_annotation_or_box(pictures: Pictures) -> None:
    figures = re.findall("<small>(.*?)</small>", suspects_section(pictures))
    assert figures == [
        "<b>wrong label</b><br>annotated: cat, found: dog 0.90<br>&lt;a&gt;.png"
        "<br>annotation x&lt;17&gt;",
        "<b>missing annotation</b><br>annotated: nothing, found: cat 0.80<br>&lt;a&gt;.png"
        "<br>no annotation at x 100, y 60, 30 x 40 pixels",
    ]


def test_without_suspects_there_is_no_section(pictures: Pictures) -> None:
    nothing = analyse(pictures.dataset, DetectionResults.empty())
    assert suspects_section(Pictures(pictures.dataset, nothing, "apply")) == ""


def test_an_image_that_is_gone_is_said_to_be_so(pictures: Pictures) -> None:
    pictures.dataset.image_path(0).unlink()
    assert suspects_section(pictures).count("the image file is missing") == 2


def test_the_window_is_around_the_boxes_and_inside_the_image() -> None:
    """The sides of 50 make a window of 110: in the middle of a large image, and at its corner."""
    box = np.array([[100.0, 100, 150, 140]])
    assert window_around(box, (400, 300)) == (70, 65, 180, 175)
    assert window_around(box - 100, (400, 300)) == (0, 0, 110, 110)


def test_a_small_box_is_shown_with_80_pixels_around_it() -> None:
    assert window_around(np.array([[100.0, 100, 104, 104]]), (400, 300)) == (62, 62, 142, 142)


def test_a_window_is_no_larger_than_the_image() -> None:
    boxes = np.array([[0.0, 0, 30, 20], [150, 90, 160, 120]])
    assert window_around(boxes, (160, 120)) == (0, 0, 160, 120)
