"""The drawn data set: the same bytes from the same arguments, and annotations that are exactly
true.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as masks

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.shapes.art import CLASSES, COLOURS
from tasks.datasets.shapes.scenes import draw_scene
from tasks.datasets.shapes.writing import draw_classes, draw_shapes

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools' own

TRAIN, VAL = 34, 18  # three crowds and two


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "shapes"
    draw_shapes(out, train=TRAIN, val=VAL, seed=5)
    return out


@pytest.fixture(scope="module")
def content(drawn: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (drawn / "annotations" / "instances_train.json").read_text()
    )
    return loaded


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        draw_shapes(tmp_path / name, train=2, val=1, seed=5)
    assert digests(tmp_path / "one") == digests(tmp_path / "other")


def test_another_seed_gives_other_pictures(tmp_path: Path) -> None:
    for seed in (0, 1):
        draw_shapes(tmp_path / str(seed), train=1, val=1, seed=seed)
    one, other = (digests(tmp_path / name)["train/000001.jpg"] for name in "01")
    assert one != other


def test_train_and_val_pictures_differ(drawn: Path) -> None:
    assert digests(drawn)["train/000001.jpg"] != digests(drawn)["val/000001.jpg"]


def test_the_reader_takes_it_without_a_warning(drawn: Path) -> None:
    for split, images in (("train", TRAIN), ("val", VAL)):
        path = drawn / "annotations" / f"instances_{split}.json"
        dataset = read_coco(path, drawn / split, check_sizes=True)
        assert (len(dataset), dataset.warnings) == (images, ())
        assert dataset.label_map.names == CLASSES


def test_at_least_a_quarter_of_the_objects_are_small(content: dict[str, Any]) -> None:
    areas = [record["area"] for record in content["annotations"] if not record["iscrowd"]]
    assert np.mean(np.array(areas) < 32**2) >= 0.25


def test_there_are_crowds_polygons_and_both_kinds_of_run_lengths(content: dict[str, Any]) -> None:
    kinds = {
        (
            (
                record["iscrowd"],
                type(record["segmentation"]),
                type(dict(record["segmentation"]).get("counts")),
            )
            if isinstance(record["segmentation"], dict)
            else (record["iscrowd"], list, None)
        )
        for record in content["annotations"]
    }
    assert kinds == {(0, list, None), (0, dict, str), (1, dict, list)}


def decoded(record: dict[str, Any], image: dict[str, Any]) -> Any:
    segmentation = record["segmentation"]
    size = image["height"], image["width"]
    if isinstance(segmentation, list):
        return masks.merge(masks.frPyObjects(segmentation, *size))
    return (
        masks.frPyObjects(segmentation, *size)
        if isinstance(segmentation["counts"], list)
        else segmentation
    )


def test_areas_are_those_of_the_masks(content: dict[str, Any]) -> None:
    for record in content["annotations"]:
        assert (
            masks.area(decoded(record, content["images"][record["image_id"] - 1]))
            == record["area"]
            > 0
        )


def test_boxes_enclose_the_masks_to_two_pixels(content: dict[str, Any]) -> None:
    for record in content["annotations"]:
        x, y, width, height = masks.toBbox(
            decoded(record, content["images"][record["image_id"] - 1])
        )
        corners = np.array([x, y, x + width, y + height])
        left, top, box_width, box_height = record["bbox"]
        assert (
            np.abs(corners - [left, top, left + box_width, top + box_height]).max() < 2
        )  # tips are thin


def test_masks_of_one_image_do_not_overlap(content: dict[str, Any]) -> None:
    for image in content["images"]:
        own = [record for record in content["annotations"] if record["image_id"] == image["id"]]
        total = sum(masks.decode(decoded(record, image)).astype(int) for record in own)
        assert total.max() <= 1


def test_boxes_do_overlap(content: dict[str, Any]) -> None:
    first = [
        [record for record in content["annotations"] if record["image_id"] == number]
        for number in range(1, 9)
    ]
    overlaps = [
        masks.iou([a["bbox"]], [b["bbox"]], [0])[0, 0]
        for own in first
        for a in own
        for b in own
        if a is not b
    ]
    assert max(overlaps) > 0.1


def test_classes_share_colours() -> None:
    used: dict[int, set[str]] = {}
    for number in range(60):
        for item in draw_scene(0, "train", number, 96).items:
            used.setdefault(item.label, set()).update(item.colours)
    assert sorted(used) == list(range(len(CLASSES)))
    assert all(len(colours) >= len(COLOURS) - 2 for colours in used.values())


def test_class_folders_hold_one_picture_per_object(drawn: Path, content: dict[str, Any]) -> None:
    single = [record for record in content["annotations"] if not record["iscrowd"]]
    for label, name in enumerate(CLASSES, start=1):
        pictures = list((drawn / "classifier" / "train" / name).glob("*.png"))
        assert len(pictures) == sum(record["category_id"] == label for record in single) > 0
        assert Image.open(pictures[0]).size == (48, 48)


def test_drawing_again_leaves_the_data_set_as_it_is(drawn: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    assert draw_shapes(drawn, train=TRAIN, val=VAL, seed=5).startswith(
        f"{drawn}: {TRAIN} train and {VAL} val images, "
    )
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_an_empty_working_folder_takes_it(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_shapes(".", train=TRAIN, val=VAL, seed=5)
    assert digests(tmp_path) == digests(drawn)
    assert Path.cwd().exists()  # a shell that stands in it still does
    assert not list(tmp_path.parent.glob(".*.partial"))


def test_a_folder_with_other_content_is_refused(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    for folder in (tmp_path, drawn):
        with pytest.raises(UserError, match="must be empty or hold the same drawn data set"):
            draw_shapes(folder, train=1, val=1, seed=9)


def test_arguments_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="size must be >= 96, got 20"):
        draw_shapes(tmp_path / "out", size=20)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classes") / "shapes"
    draw_classes(out, train=TRAIN, val=VAL, seed=5)
    return out


def test_class_folders_alone_are_those_of_the_whole_set(drawn: Path, classes: Path) -> None:
    assert digests(classes).keys() - {"shapes.json"} == digests(drawn / "classifier").keys()
    assert digests(classes).items() > digests(drawn / "classifier").items()


def test_the_same_class_folders_are_accepted_and_counted(classes: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in classes.rglob("*")}
    told = draw_classes(classes, train=TRAIN, val=VAL, seed=5)
    assert {path: path.stat().st_mtime_ns for path in classes.rglob("*")} == before
    counts = {
        split: [len(list((classes / split / name).iterdir())) for name in CLASSES]
        for split in ("train", "val")
    }
    assert told.startswith(
        f"{classes}: {sum(counts['train'])} train and {sum(counts['val'])} val pictures: circle"
        f" {counts['train'][0]} and {counts['val'][0]}, square "
    )


def test_class_folders_take_no_folder_of_something_else(drawn: Path, classes: Path) -> None:
    for folder in (drawn, classes):
        with pytest.raises(UserError, match="must be empty or hold the same drawn data set"):
            draw_classes(folder, train=TRAIN, val=VAL, seed=6)
    with pytest.raises(UserError, match="must be empty or hold the same drawn data set"):
        draw_shapes(classes, train=TRAIN, val=VAL, seed=5)
