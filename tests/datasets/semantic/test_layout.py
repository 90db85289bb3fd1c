"""Where the usual layouts have images and masks."""

from pathlib import Path
from typing import Any

import pytest
from masks import labels_of, write_classes, write_image, write_mask

from resnet_backbones.errors import UserError
from tasks.datasets.semantic.layout import SemanticSource, locate_semantic


@pytest.mark.parametrize(
    ("split", "images", "masks"),
    [
        ("train", "train/images", "train/masks"),
        ("val", "valid/images", "valid/labels"),
        ("train", "images/train", "masks/train"),
        ("val", "images/val", "annotations/val"),
        ("train", "images/training", "annotations/training"),
        ("val", "images/validation", "annotations/validation"),
        ("train", "train", "trainannot"),
        ("val", "leftImg8bit/val", "gtFine/val"),
        ("train", "train2017", "stuffthingmaps/train2017"),
        ("val", "images/val2017", "annotations/stuff_val2017_pixelmaps"),
    ],
)
def test_folders_of_masks_are_found(tmp_path: Path, split: Any, images: str, masks: str) -> None:
    (tmp_path / images).mkdir(parents=True)
    (tmp_path / masks).mkdir(parents=True)
    place = locate_semantic(SemanticSource(root=tmp_path, split=split))
    assert (place.kind, place.images, place.masks) == ("masks", tmp_path / images, tmp_path / masks)


def coco(root: Path, *names: str) -> None:
    """A root with images, and empty files of annotations."""
    (root / "train2017").mkdir()
    (root / "stuffthingmaps/train2017").mkdir(parents=True)
    for name in names:
        path = root / "annotations" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, "panoptic"),
        ({"kind": "instances"}, "instances"),
        ({"kind": "masks"}, "masks"),
        ({"classes": "coco_stuff"}, "masks"),
        ({"classes": "stuff"}, "panoptic"),
    ],
)
def test_settings_choose_among_several_kinds(
    tmp_path: Path, settings: dict[str, Any], kind: str
) -> None:
    coco(tmp_path, "panoptic_train2017.json", "instances_train2017.json")
    assert locate_semantic(SemanticSource(root=tmp_path, **settings)).kind == kind


def test_instances_come_before_masks(tmp_path: Path) -> None:
    coco(tmp_path, "instances_train2017.json")
    assert locate_semantic(SemanticSource(root=tmp_path)).kind == "instances"


def test_everything_tried_is_listed(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        locate_semantic(SemanticSource(root=tmp_path))
    for name in ("annotations/panoptic_train2017.json", "train/masks", "SegmentationClass"):
        assert f", {name}" in str(caught.value)


def test_without_any_path() -> None:
    with pytest.raises(UserError, match=r"as no path is set; set data\.root"):
        locate_semantic(SemanticSource())


def test_named_masks_need_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no images of the masks .*set data\.train\.images"):
        locate_semantic(SemanticSource(masks=str(tmp_path)))


def test_named_masks_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no masks at .*correct data\.val\.annotations"):
        locate_semantic(SemanticSource(split="val", masks=str(tmp_path / "a")))


def test_named_masks_must_be_of_the_kind(tmp_path: Path) -> None:
    source = SemanticSource(masks=str(tmp_path), images=str(tmp_path), kind="panoptic")
    with pytest.raises(UserError, match=r"must be a JSON file where data\.labels is panoptic"):
        locate_semantic(source)


@pytest.mark.parametrize(
    ("record", "kind"), [('{"segments_info": []}', "panoptic"), ('{"bbox": []}', "instances")]
)
def test_a_named_json_is_known_by_its_content(tmp_path: Path, record: str, kind: str) -> None:
    lists = f'"images": [], "categories": [], "annotations": [{record}]'
    path = write_classes(tmp_path / "all.json", f"{{{lists}}}")
    source = SemanticSource(masks=str(path), images=str(tmp_path))
    assert locate_semantic(source).kind == kind


def test_cityscapes_pairs_images_with_their_ids(tmp_path: Path) -> None:
    write_image(tmp_path / "leftImg8bit/train/ulm/ulm_01_leftImg8bit.png")
    masks = tmp_path / "gtFine/train/ulm"
    write_mask(masks / "ulm_01_gtFine_labelIds.png", [[7, 8, 0], [26, 11, 33]])
    write_mask(masks / "ulm_01_gtFine_labelTrainIds.png", [[0, 1, 255], [13, 2, 18]])
    write_mask(masks / "ulm_01_gtFine_instanceIds.png", [[9, 9, 9], [9, 9, 9]])
    expected = [[0, 1, 255], [13, 2, 18]]
    assert labels_of(tmp_path, classes="cityscapes") == expected
    assert labels_of(tmp_path, classes="cityscapes_train_ids") == expected


def test_voc_reads_the_images_that_are_listed(tmp_path: Path) -> None:
    write_classes(tmp_path / "ImageSets/Segmentation/train.txt", "b", "a")
    for name in "abc":
        write_image(tmp_path / f"JPEGImages/{name}.jpg")
    write_mask(tmp_path / "SegmentationClass/a.png", [[0, 0, 0], [15, 255, 0]], (0, 0, 0))
    write_mask(tmp_path / "SegmentationClass/b.png", [[1, 1, 1], [1, 1, 1]], (0, 0, 0))
    assert labels_of(tmp_path, index=0, classes="voc") == [[1, 1, 1], [1, 1, 1]]
    assert labels_of(tmp_path, index=1, classes="voc") == [[0, 0, 0], [15, 255, 0]]


def test_a_listed_image_that_is_not_there(tmp_path: Path) -> None:
    write_classes(tmp_path / "ImageSets/Segmentation/train.txt", "a", "z")
    write_image(tmp_path / "JPEGImages/a.jpg")
    write_mask(tmp_path / "SegmentationClass/a.png", [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(UserError, match=r"train\.txt: z: a listed image must be there"):
        labels_of(tmp_path, classes="voc")
