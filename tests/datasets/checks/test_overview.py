"""What a page shows of each kind of data, counted by hand."""

from pathlib import Path

import numpy as np
import pytest
from class_pictures import write_tree
from masks import write_classes, write_image, write_mask
from planted_defects import content, make_images, write

from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.checks.overview import Overview
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.class_images.check import check_class_splits
from tasks.datasets.class_images.class_images import read_class_images
from tasks.datasets.semantic.check import check_semantic
from tasks.datasets.semantic.layout import SemanticSource


def overview_of(report: CheckReport) -> Overview:
    (split,) = report.splits
    assert split.overview is not None
    return split.overview()


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Three images of 40x30 pixels with a cat of 20x10 and a dog of 8x9 pixels each."""
    make_images(tmp_path)
    return tmp_path


def check_boxes(folder: Path, grid: AnchorGrid | None = None) -> CheckReport:
    split = Split("train", folder / "images", folder / "gt.json")
    return check([split], exif="apply", grid=grid or AnchorGrid())


def test_objects_are_counted_by_class_and_crowds_are_not(boxes: Path) -> None:
    made = content()
    made["annotations"][0]["iscrowd"] = 1
    write(boxes, made)
    found = overview_of(check_boxes(boxes))
    assert found.counted == "objects"
    assert found.label_map.names == ("cat", "dog")
    assert found.by_class.tolist() == [2, 3]
    assert found.sizes.tolist() == [[30, 40]] * 3
    assert found.objects is not None
    assert found.objects.areas.tolist() == [50] * 5


def test_sizes_after_the_resize_are_those_of_boxes(boxes: Path) -> None:
    write(boxes, content())
    grid = AnchorGrid(short_edge=60, long_edge=1000)  # twice as large
    found = overview_of(check_boxes(boxes, grid)).objects
    assert found is not None
    expected = [2 * 200**0.5, 2 * 72**0.5] * 3
    np.testing.assert_allclose(found.resized, expected)


def test_an_example_has_the_boxes_of_its_image(boxes: Path) -> None:
    write(boxes, content())
    found = overview_of(check_boxes(boxes))
    example = found.example(1)
    assert (example.name, example.pixels.shape) == ("b.png", (30, 40, 3))
    assert example.boxes is not None
    assert example.boxes.boxes.tolist() == [[2, 3, 22, 13], [10, 12, 18, 21]]
    assert example.boxes.labels.tolist() == [0, 1]


def test_images_without_objects_and_unreadable_ones_are_no_examples(boxes: Path) -> None:
    made = content()
    made["annotations"] = made["annotations"][:4]  # none of c.png
    write(boxes, made)
    (boxes / "images" / "a.png").write_bytes(b"no image")
    found = overview_of(check_boxes(boxes))
    assert [found.example(index).name for index in range(found.examples)] == ["b.png"]
    assert len(found.sizes) == 2


def test_names_that_occur_twice_or_cannot_be_drawn_are_told_apart(boxes: Path) -> None:
    made = content()
    made["categories"] = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}]
    made["categories"].append({"id": 3, "name": "a\nb\ud800"})
    write(boxes, made)
    names = overview_of(check_boxes(boxes)).label_map.names
    assert names == ("cat (1)", "cat (2)", "a b\\ud800")


def test_a_file_that_cannot_be_read_has_nothing_to_show(boxes: Path) -> None:
    (boxes / "gt.json").write_text("{")
    found = overview_of(check_boxes(boxes))
    assert (found.examples, len(found.sizes), found.objects) == (0, 0, None)


def test_labels_are_counted_as_shares_of_the_pixels_that_count(tmp_path: Path) -> None:
    write_classes(tmp_path / "classes.txt", "sky", "road")
    write_image(tmp_path / "train/images/a.png")
    write_mask(tmp_path / "train/masks/a.png", [[0, 1, 255], [1, 1, 255]])
    found = overview_of(check_semantic({"train": SemanticSource(root=tmp_path)}, "apply"))
    assert found.counted == "pixels"
    assert found.by_class.tolist() == [0.25, 0.75]
    assert found.example(0).labels is not None
    assert found.example(0).labels.tolist() == [[0, 1, 255], [1, 1, 255]]


def test_class_images_are_counted_and_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "train", ["cat/0.png", "cat/1.png", "dog/0.png"])
    (root / "cat" / "0.png").write_bytes(b"no image")
    images = read_class_images(root, "train")
    found = overview_of(check_class_splits({"train": images}, "apply"))
    assert found.counted == "images"
    assert found.by_class.tolist() == [2, 1]
    examples = [found.example(index) for index in range(found.examples)]
    assert [example.class_name for example in examples] == ["cat", "dog"]
