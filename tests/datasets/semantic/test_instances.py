"""Objects of COCO's instances painted on their image, by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from masks import write_image

from resnet_backbones.errors import UserError
from tasks.datasets.coco.categories import OtherClassesError
from tasks.datasets.semantic.dataset import SemanticDataset, first_images
from tasks.datasets.semantic.layout import SemanticSource
from tasks.datasets.semantic.read import read_semantic
from tasks.labels import LabelMap

CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]


def square(left: int, top: int, side: int, category: int, crowd: int = 0) -> dict[str, Any]:
    """A square object, as a polygon that covers whole pixels."""
    right = left + side
    bottom = top + side
    return {
        "image_id": 1,
        "category_id": category,
        "bbox": [left, top, side, side],
        "area": side * side,
        "iscrowd": crowd,
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
    }


def read(
    root: Path,
    objects: list[dict[str, Any]],
    categories: list[dict[str, Any]] = CATEGORIES,
    label_map: LabelMap | None = None,
) -> SemanticDataset:
    """Objects on an image of 4 x 4 pixels."""
    write_image(root / "train/a.jpg", 4, 4)
    images = [{"id": 1, "file_name": "a.jpg", "height": 4, "width": 4}]
    records = [{"id": number, **record} for number, record in enumerate(objects, start=1)]
    content = {"images": images, "annotations": records, "categories": categories}
    path = root / "annotations/instances_train.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return read_semantic(SemanticSource(root=root), label_map=label_map)


def test_the_background_is_the_first_class_and_others_keep_their_ids(tmp_path: Path) -> None:
    dataset = read(tmp_path, [square(1, 1, 2, 7)])
    assert dataset.label_map == LabelMap((0, 3, 7), ("background", "cat", "dog"))
    assert dataset.read_labels(0).tolist() == [
        [0, 0, 0, 0],
        [0, 2, 2, 0],
        [0, 2, 2, 0],
        [0, 0, 0, 0],
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_smaller_objects_cover_larger_ones(tmp_path: Path, order: tuple[int, ...]) -> None:
    objects = [square(0, 0, 4, 3), square(0, 0, 3, 7), square(1, 1, 1, 3)]
    dataset = read(tmp_path, [objects[place] for place in order])
    assert dataset.read_labels(0).tolist() == [
        [2, 2, 2, 1],
        [2, 1, 2, 1],
        [2, 2, 2, 1],
        [1, 1, 1, 1],
    ]


def test_of_two_of_a_size_the_later_covers_the_other(tmp_path: Path) -> None:
    objects = [square(0, 0, 2, 3), square(1, 0, 2, 7)]
    assert read(tmp_path, objects).read_labels(0)[0].tolist() == [1, 2, 2, 0]
    assert read(tmp_path, objects[::-1]).read_labels(0)[0].tolist() == [1, 1, 2, 0]


def test_sizes_are_those_of_the_masks_not_what_the_file_states(tmp_path: Path) -> None:
    small = {**square(0, 0, 2, 3), "area": 999}
    assert read(tmp_path, [square(0, 0, 4, 7), small]).read_labels(0)[0].tolist() == [1, 1, 2, 2]


def test_crowds_are_ignored(tmp_path: Path) -> None:
    runs = {"size": [4, 4], "counts": [0, 8, 8]}  # the two columns at the left
    crowd = {**square(0, 0, 4, 3, crowd=1), "segmentation": runs}
    labels = read(tmp_path, [crowd, square(0, 0, 1, 7)]).read_labels(0)
    assert labels[0].tolist() == [2, 255, 0, 0]
    assert labels[3].tolist() == [255, 255, 0, 0]


def test_an_id_0_of_the_file_is_left_to_it(tmp_path: Path) -> None:
    dataset = read(tmp_path, [square(0, 0, 1, 0)], [{"id": 0, "name": "cat"}])
    assert dataset.label_map == LabelMap(("background", 0), ("background", "cat"))


def test_a_category_called_background_is_it(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "background"}]
    dataset = read(tmp_path, [square(0, 0, 1, 1)], categories)
    assert dataset.label_map.names == ("cat", "background")
    assert dataset.read_labels(0)[0].tolist() == [0, 1, 1, 1]


def test_classes_take_the_labels_of_a_checkpoint_by_name(tmp_path: Path) -> None:
    known = LabelMap((0, 8, 9), ("background", "dog", "owl"))
    objects = [square(0, 0, 1, 3), square(1, 0, 1, 7)]
    dataset = read(tmp_path, objects, label_map=known)
    assert dataset.read_labels(0)[0].tolist() == [255, 1, 0, 0]
    assert dataset.label_map.names == known.names


def test_a_checkpoint_without_background_ignores_it(tmp_path: Path) -> None:
    dataset = read(tmp_path, [square(0, 0, 1, 3)], label_map=LabelMap((1,), ("cat",)))
    assert dataset.read_labels(0)[0].tolist() == [0, 255, 255, 255]


def test_the_background_alone_is_no_class_in_common(tmp_path: Path) -> None:
    known = LabelMap((0, 1), ("background", "owl"))
    with pytest.raises(OtherClassesError, match=r"got cat, dog, expected background, owl"):
        read(tmp_path, [square(0, 0, 1, 3)], label_map=known)


def test_objects_without_masks_are_refused(tmp_path: Path) -> None:
    boxed = {**square(0, 0, 1, 3), "segmentation": None}
    with pytest.raises(UserError, match="1 of 2 have none, the first is on image 1; outline them"):
        read(tmp_path, [square(0, 0, 1, 3), boxed])


def test_classes_are_those_of_the_file(tmp_path: Path) -> None:
    read(tmp_path, [square(0, 0, 1, 3)])
    source = SemanticSource(root=tmp_path, kind="instances", classes="voc")
    with pytest.raises(UserError, match=r"data\.classes must not be set for instances, got 'voc'"):
        read_semantic(source)


def test_shapes_are_painted_and_cut(shapes: Path) -> None:
    dataset = first_images(read_semantic(SemanticSource(root=shapes, split="val")), 3)
    assert len(dataset) == 3
    labels = dataset.read_labels(2)
    assert labels.shape == tuple(dataset.sizes[2])
    assert len(np.unique(labels)) > 1


def test_coco_objects_are_the_things_of_its_panoptic_masks(coco200: Path) -> None:
    objects = read_semantic(SemanticSource(root=coco200, split="val", kind="instances"))
    panoptic = read_semantic(SemanticSource(root=coco200, split="val", classes="things"))
    assert objects.label_map.names[1:] == panoptic.label_map.names
    for index in range(20):
        painted = objects.read_labels(index).astype(np.int64)
        expected = panoptic.read_labels(index).astype(np.int64)
        expected = np.where(expected == 255, 0, expected + 1)
        np.testing.assert_array_equal(painted[painted != 255], expected[painted != 255])
