"""Panoptic annotations: segments by panopticapi's formula, the choices of classes, bad records."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from masks import labels_of, write_image, write_mask

from resnet_backbones.errors import UserError
from tasks.datasets.coco.categories import OtherClassesError
from tasks.datasets.semantic.layout import SemanticSource
from tasks.datasets.semantic.read import read_semantic
from tasks.errors import DataError
from tasks.labels import LabelMap

CAT = [1, 2, 0]  # 1 + 256 * 2 = 513, as panopticapi's rgb2id
DOG = [0, 1, 3]  # 256 + 65536 * 3 = 196864
GRASS = [7, 0, 0]
VOID = [0, 0, 0]


def categories() -> list[dict[str, Any]]:
    """Two things about a kind of stuff, in the order of their ids."""
    return [
        {"id": 4, "name": "cat", "isthing": 1},
        {"id": 9, "name": "grass", "isthing": 0},
        {"id": 12, "name": "dog", "isthing": 1},
    ]


def annotation() -> dict[str, Any]:
    """An image's segments, the dogs a crowd."""
    segments = [
        {"id": 513, "category_id": 4, "iscrowd": 0},
        {"id": 196864, "category_id": 12, "iscrowd": 1},
        {"id": 7, "category_id": 9, "iscrowd": 0},
    ]
    return {"image_id": 3, "file_name": "a.png", "segments_info": segments}


@pytest.fixture
def content() -> dict[str, Any]:
    images = [{"id": 3, "file_name": "a.jpg", "height": 2, "width": 2}]
    return {"images": images, "annotations": [annotation()], "categories": categories()}


def write(root: Path, content: dict[str, Any]) -> Path:
    write_image(root / "images/train/a.jpg", 2, 2)
    write_mask(root / "annotations/panoptic_train/a.png", [[CAT, DOG], [GRASS, VOID]])
    (root / "annotations/panoptic_train.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    ("classes", "names", "labels"),
    [
        (None, ("cat", "grass", "dog"), [[0, 2], [1, 255]]),
        ("all", ("cat", "grass", "dog"), [[0, 2], [1, 255]]),
        ("stuff", ("things", "grass"), [[0, 0], [1, 255]]),
        ("things", ("cat", "dog"), [[0, 1], [255, 255]]),
    ],
)
def test_segments_have_the_labels_of_the_chosen_classes(
    tmp_path: Path,
    content: dict[str, Any],
    classes: str | None,
    names: tuple[str, ...],
    labels: list[list[int]],
) -> None:
    write(tmp_path, content)
    assert labels_of(tmp_path, classes=classes) == labels
    source = SemanticSource(root=tmp_path, classes=classes)
    assert read_semantic(source).label_map.names == names


def test_what_a_data_set_says(tmp_path: Path, content: dict[str, Any]) -> None:
    dataset = read_semantic(SemanticSource(root=write(tmp_path, content), classes="stuff"))
    assert dataset.label_map.category_ids == (0, 9)
    assert list(dataset.original_ids) == [3]
    assert dataset.image_path(0) == tmp_path / "images/train/a.jpg"
    assert dataset.read_labels.file(0) == tmp_path / "annotations/panoptic_train/a.png"


def test_segments_of_no_category_are_ignored(tmp_path: Path, content: dict[str, Any]) -> None:
    content["annotations"][0]["segments_info"][0]["category_id"] = 77
    assert labels_of(write(tmp_path, content)) == [[255, 2], [1, 255]]


def test_classes_take_the_labels_of_a_checkpoint_by_name(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    known = LabelMap((1, 2), ("dog", "cat"))
    dataset = read_semantic(SemanticSource(root=write(tmp_path, content)), label_map=known)
    assert dataset.read_labels(0).tolist() == [[1, 0], [255, 255]]
    with pytest.raises(OtherClassesError, match=r"panoptic_train\.json: no category has a name"):
        read_semantic(SemanticSource(root=tmp_path), label_map=LabelMap((1,), ("owl",)))


def test_the_json_file_may_be_named(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    masks = str(tmp_path / "annotations/panoptic_train.json")
    images = str(tmp_path / "images/train")
    dataset = read_semantic(SemanticSource(masks=masks, images=images))
    assert dataset.read_labels(0).tolist() == [[0, 2], [1, 255]]


def test_a_segment_that_the_file_does_not_list(tmp_path: Path, content: dict[str, Any]) -> None:
    del content["annotations"][0]["segments_info"][1]
    dataset = read_semantic(SemanticSource(root=write(tmp_path, content)))
    with pytest.raises(DataError, match=r"must be in segments_info, got 196864"):
        dataset.read_labels(0)


def test_a_png_of_another_size(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    write_mask(tmp_path / "annotations/panoptic_train/a.png", [[CAT, DOG]])
    with pytest.raises(UserError, match=r"a\.png is 2x1 pixels .* its annotations say 2x2"):
        read_semantic(SemanticSource(root=tmp_path))
    dataset = read_semantic(SemanticSource(root=tmp_path), check_sizes=False)
    with pytest.raises(DataError, match=r"a\.png is 2x1 pixels .* its image is 2x2"):
        dataset.read_labels(0)


def test_a_png_that_is_not_there(tmp_path: Path, content: dict[str, Any]) -> None:
    (write(tmp_path, content) / "annotations/panoptic_train/a.png").unlink()
    with pytest.raises(UserError, match=r"a\.png does not exist"):
        read_semantic(SemanticSource(root=tmp_path))


def test_a_png_of_indices(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    write_mask(tmp_path / "annotations/panoptic_train/a.png", [[0, 0], [0, 0]])
    with pytest.raises(DataError, match="segments must be the colours of an RGB image"):
        labels_of(tmp_path)


def without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [without(annotation(), "segments_info")]}, "needs segments_info, got"),
        ({"annotations": [without(annotation(), "file_name")]}, "needs a file_name, got None"),
        ({"annotations": [annotation(), annotation()]}, "another with image_id 3"),
        ({"annotations": []}, r"1 images, 0 annotations and none of image \[3\]"),
        ({"categories": [{"id": 4, "name": "cat"}]}, "needs isthing 0 or 1, got None"),
        ({"categories": []}, "needs categories, got an empty list"),
        (
            {"annotations": [{**annotation(), "segments_info": [{"id": 0, "category_id": 4}]}]},
            r"needs an id in 1\.\.16777215 and a category_id",
        ),
    ],
)
def test_bad_records_are_named(
    tmp_path: Path, content: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    write(tmp_path, {**content, **changes})
    with pytest.raises(UserError, match=rf"panoptic_train\.json: .*{message}"):
        read_semantic(SemanticSource(root=tmp_path))


def test_without_the_folder_of_png_files(tmp_path: Path, content: dict[str, Any]) -> None:
    (write(tmp_path, content) / "annotations/panoptic_train").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"must be in .*annotations/panoptic_train, there is no"):
        read_semantic(SemanticSource(root=tmp_path))


def test_coco_classes_cover_the_areas_that_the_file_states(coco200: Path) -> None:
    dataset = read_semantic(SemanticSource(root=coco200, split="val"))
    content = json.loads((coco200 / "annotations/panoptic_val.json").read_text())
    labels = {category: label for label, category in enumerate(dataset.label_map.category_ids)}
    segments = {record["image_id"]: record["segments_info"] for record in content["annotations"]}
    assert (len(dataset), dataset.label_map.num_classes) == (100, 133)
    for index in range(20):
        stated = np.zeros(256, dtype=np.int64)
        for segment in segments[dataset.original_ids[index]]:
            stated[labels[segment["category_id"]]] += segment["area"]
        counted = np.bincount(dataset.read_labels(index).ravel(), minlength=256)
        np.testing.assert_array_equal(counted[:133], stated[:133])
