"""Sections of a report of detections: the worst first, many classes, and nothing learnt."""

import json
import re
from pathlib import Path

import numpy as np
from found_boxes import one_class

from tasks.datasets.coco.dataset import read_coco
from tasks.report.instances.build import write_report
from tasks.scoring.results import DetectionResults


def test_a_detector_that_found_nothing_is_asked_why(tmp_path: Path) -> None:
    dataset = one_class(tmp_path, 1, 3)
    text = write_report(tmp_path, dataset, DetectionResults.empty()).read_text()
    assert "Next to nothing is found: AP50 is below 1" in text


def test_the_worst_class_comes_first_and_one_without_objects_last(tmp_path: Path) -> None:
    """Class 1 has an AP of 0 and class 2 of 100; class 3 has no object."""
    content = one_class(tmp_path, 3, 2).path
    stated = json.loads(content.read_text())
    stated["annotations"][1]["category_id"] = 2
    content.write_text(json.dumps(stated))
    found = DetectionResults(
        np.ones(1, np.int64), np.array([[20.0, 5, 9, 9]]), np.ones(1), np.ones(1, np.int64)
    )
    text = write_report(tmp_path, read_coco(content), found).read_text()
    table = text.partition("<h2>Classes and sizes</h2>")[2].partition("</table>")[0]
    assert re.findall(r"&lt;b&gt;(\d)", table) == ["1", "2", "3"]
    assert table.index("&lt;b&gt;1") < table.index("&lt;b&gt;2") < table.index("&lt;b&gt;3")


def test_many_classes_are_summed_up_in_five_curves(tmp_path: Path) -> None:
    """Thirteen classes with an object each, of which the first six are found."""
    content = one_class(tmp_path, 13, 13).path
    stated = json.loads(content.read_text())
    for label, record in enumerate(stated["annotations"], start=1):
        record["category_id"] = label
        record["bbox"] = [5 * label, 5, 4, 4]
    content.write_text(json.dumps(stated))
    boxes = np.array([[5.0 * label, 5, 4, 4] for label in range(1, 7)])
    results = DetectionResults(np.ones(6, np.int64), boxes, np.ones(6), np.arange(6))
    text = write_report(tmp_path, read_coco(content), results).read_text()
    title = "The 13 classes at IoU 0.50: how many are below"
    chart = text.partition(title)[2].partition("</figure>")[0]
    heights = [set(re.findall(r",([\d.]+)", line)) for line in re.findall('points="(.*?)"', chart)]
    assert heights == [{"204.0"}, {"204.0"}, {"204.0"}, {"24.0"}, {"24.0"}]  # precision 0 and 1
