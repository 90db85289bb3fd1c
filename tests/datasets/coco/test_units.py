"""Boxes in other units than pixels (field_faults 9)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_defects import content, make_images, write

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.coco.units import find_units

SIZES = np.array([[30, 40]] * 3, dtype=np.int32)
BOXES = [[20, 3, 15, 20], [10, 12, 28, 9], [25, 20, 10, 9]]  # x, y, width, height on 40x30


def as_corners(box: list[float]) -> list[float]:
    return [box[0], box[1], box[0] + box[2], box[1] + box[3]]


def as_fractions(box: list[float]) -> list[float]:
    return [box[0] / 40, box[1] / 30, box[2] / 40, box[3] / 30]


@pytest.mark.parametrize(
    ("boxes", "units"),
    [
        (BOXES, "pixels"),
        ([as_corners(box) for box in BOXES], "corners"),
        ([as_fractions(box) for box in BOXES], "fractions"),
        ([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]], "pixels"),
        ([*[as_corners(box) for box in BOXES[:2]], BOXES[2]], "pixels"),
        ([[1, 1, 38, 28], [2, 2, 30, 20], [1, 1, 20, 20]], "pixels"),
    ],
)
def test_units_are_told_by_all_boxes(boxes: list[list[float]], units: str) -> None:
    assert find_units(np.array(boxes, dtype=np.float64), SIZES) == units


@pytest.mark.parametrize(("change", "word"), [(as_corners, "corners"), (as_fractions, "fractions")])
def test_other_units_are_refused_by_both_and_converted_by_fix(
    tmp_path: Path, change: Any, word: str
) -> None:
    make_images(tmp_path)
    made = content()
    right = [BOXES[index % 3] for index in range(6)]
    for annotation, box in zip(made["annotations"], right, strict=True):
        annotation["bbox"] = change(box)
    write(tmp_path, made)
    report = check(
        [Split("train", tmp_path / "images", tmp_path / "gt.json")], exif="apply", grid=AnchorGrid()
    )
    (error,) = [finding for finding in report.findings if finding.severity == "error"]
    assert word in error.rule
    with pytest.raises(UserError, match=word):
        read_coco(tmp_path / "gt.json", tmp_path / "images")
    write_fixed(report, tmp_path / "fixed.json")
    fixed = read_coco(tmp_path / "fixed.json", tmp_path / "images")
    assert np.allclose(fixed.boxes, right)
    assert np.allclose(fixed.areas, [box[2] * box[3] for box in right])
