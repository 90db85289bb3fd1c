"""COCO JSON to packed arrays: every oddity that real files have, and errors that name the entry."""

import contextlib
import io
import json
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as masks
from pycocotools.coco import COCO

from resnet_backbones.errors import UserError
from tasks.datasets.coco import objects as coco_objects
from tasks.datasets.coco.dataset import CocoDataset, first_images, read_coco
from tasks.datasets.coco.layout import locate_split
from tasks.datasets.packed import PackedValues
from tasks.labels import LabelMap
from tasks.scoring.engines import ground_truth

IMAGES = [{"id": 7, "file_name": "a.png", "height": 20, "width": 30}]
CATEGORIES = [{"id": 3, "name": "cat"}]


def annotation(**changes: Any) -> dict[str, Any]:
    """An annotation of IMAGES and CATEGORIES; None takes an entry away."""
    record = {
        "id": 1,
        "image_id": 7,
        "category_id": 3,
        "bbox": [1, 2, 10, 5],
        "area": 40,
        "iscrowd": 0,
    } | changes
    return {key: value for key, value in record.items() if value is not None}


def read(
    folder: Path, *annotations: dict[str, Any], label_map: LabelMap | None = None, **lists: Any
) -> CocoDataset:
    content = {"images": IMAGES, "categories": CATEGORIES, "annotations": list(annotations)} | lists
    (folder / "instances.json").write_text(json.dumps(content))
    return read_coco(folder / "instances.json", label_map=label_map)


def rectangle(height: int = 20, width: int = 30) -> Any:
    """Compressed run lengths of a mask that covers rows 4 to 9 and columns 5 to 15: 6 x 11
    pixels.
    """
    mask = np.zeros((height, width), dtype=np.uint8, order="F")
    mask[4:10, 5:16] = 1
    encoded = masks.encode(mask)
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def test_an_annotation_becomes_a_row(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation())
    assert dataset.boxes.tolist() == [[1, 2, 10, 5]]
    assert dataset.areas.tolist() == [40]
    assert dataset.labels.tolist() == [0]
    assert dataset.crowd.tolist() == [False]
    assert dataset.sizes.tolist() == [[20, 30]]
    assert dataset.image_path(0) == tmp_path / "a.png"
    assert dataset.warnings == ()


def test_images_are_numbered_in_the_order_of_their_ids(tmp_path: Path) -> None:
    images = [
        {"id": number, "file_name": f"{number}.png", "height": 20, "width": 30}
        for number in (900, 7, 31)
    ]
    objects = [
        annotation(image_id=900, bbox=[9, 9, 9, 9]),
        annotation(id=2),
        annotation(id=3, bbox=[3, 3, 3, 3]),
    ]
    dataset = read(tmp_path, *objects, images=images)
    assert list(dataset.original_ids) == [7, 31, 900]
    assert list(dataset.file_names) == ["7.png", "31.png", "900.png"]
    assert dataset.image_ids.tolist() == [1, 2, 3]
    assert dataset.boxes[dataset.objects(0)].tolist() == [
        [1, 2, 10, 5],
        [3, 3, 3, 3],
    ]  # in the order of the file
    assert dataset.boxes[dataset.objects(1)].tolist() == []
    assert dataset.boxes[dataset.objects(2)].tolist() == [[9, 9, 9, 9]]


def test_the_first_images_keep_their_objects_and_all_classes(tmp_path: Path) -> None:
    images = [
        {"id": number, "file_name": f"{number}.png", "height": 20, "width": 30}
        for number in (9, 7, 8)
    ]
    objects = [
        annotation(id=1, image_id=9),
        annotation(id=2, image_id=7),
        annotation(id=3, image_id=8, area=3),
    ]
    dataset = read(tmp_path, *objects, images=images)
    first = first_images(dataset, 2)
    assert list(first.original_ids) == [7, 8]
    assert first.areas.tolist() == [40, 3]
    assert first.first.tolist() == [0, 1, 2]
    assert first.label_map == dataset.label_map
    assert len(first_images(dataset, 50)) == 3


def test_sparse_category_ids_become_labels_in_their_order(tmp_path: Path) -> None:
    categories = [{"id": 90, "name": "brush"}, {"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}]
    dataset = read(
        tmp_path,
        annotation(category_id=90),
        annotation(id=2, category_id=18),
        categories=categories,
    )
    assert dataset.label_map == LabelMap((3, 18, 90), ("cat", "dog", "brush"))
    assert dataset.labels.tolist() == [2, 1]


def test_ids_may_be_texts(tmp_path: Path) -> None:
    images = [
        {"id": name, "file_name": f"{name}.png", "height": 20, "width": 30}
        for name in ("frame-b", "frame-a")
    ]
    record = annotation(image_id="frame-b", category_id="c")
    dataset = read(tmp_path, record, images=images, categories=[{"id": "c", "name": "cat"}])
    assert list(dataset.original_ids) == ["frame-a", "frame-b"]
    assert dataset.first.tolist() == [0, 0, 1]
    assert dataset.label_map.category_ids == ("c",)


def test_a_polygon_gives_missing_box_and_area(tmp_path: Path) -> None:
    polygon = [[5.5, 4, 15.5, 4, 15.5, 10, 5.5, 10]]
    dataset = read(tmp_path, annotation(bbox=None, area=None, segmentation=polygon))
    assert dataset.boxes.tolist() == [[5.5, 4, 10, 6]]
    assert dataset.areas.tolist() == [float(masks.area(masks.frPyObjects(polygon, 20, 30))[0])]


def test_compressed_run_lengths_give_missing_box_and_area(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation(bbox=None, area=None, segmentation=rectangle()))
    assert dataset.boxes.tolist() == [[5, 4, 11, 6]]
    assert dataset.areas.tolist() == [66]


def test_uncompressed_run_lengths_give_missing_box_and_area(tmp_path: Path) -> None:
    # columns of 20 rows: 5 empty ones and 4 rows, then 11 times 6 rows covered with 14 empty ones
    # between
    counts = [104, *[6, 14] * 10, 6, 600 - 104 - 11 * 6 - 10 * 14]
    segmentation = {"size": [20, 30], "counts": counts}
    dataset = read(tmp_path, annotation(bbox=None, area=None, iscrowd=1, segmentation=segmentation))
    assert dataset.boxes.tolist() == [[5, 4, 11, 6]]
    assert dataset.areas.tolist() == [66]
    assert dataset.crowd.tolist() == [True]


@pytest.mark.parametrize("area", [None, 0, float("nan")])
def test_without_mask_a_missing_area_is_the_box(tmp_path: Path, area: float | None) -> None:
    assert read(tmp_path, annotation(area=area)).areas.tolist() == [50]


def test_run_lengths_of_another_size_are_named_where_they_are_needed(tmp_path: Path) -> None:
    other = rectangle(height=40, width=30)
    assert len(read(tmp_path, annotation(segmentation=other)).boxes) == 1  # box and area are there
    with pytest.raises(
        UserError, match=r"image's height and width, \[20, 30\], got \[40, 30\] in annotation 1"
    ):
        read(tmp_path, annotation(segmentation=other, bbox=None))


def test_a_polygon_of_two_corners_counts_as_no_mask(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation(area=None, segmentation=[[1, 2, 3, 4]]))
    assert dataset.areas.tolist() == [50]


def test_annotation_ids_zero_missing_and_repeated_are_renumbered(tmp_path: Path) -> None:
    ids: list[Any] = [0, 5, 5, None]
    dataset = read(tmp_path, *(annotation(id=number) for number in ids))
    assert [record["id"] for record in ground_truth(dataset)["annotations"]] == [1, 2, 3, 4]
    assert dataset.warnings == (
        "1 annotation ids that occur more than once; all were renumbered (first: 5)",
    )


@pytest.mark.parametrize(
    "box", [[1, 2, 0, 5], [1, 2, 5, -1], [1, 2, float("nan"), 4], [1, 2, 3, float("inf")]]
)
def test_boxes_without_extent_are_left_out_and_counted(tmp_path: Path, box: list[float]) -> None:
    dataset = read(tmp_path, annotation(id=8, bbox=box), annotation(id=9))
    assert dataset.boxes.tolist() == [[1, 2, 10, 5]]
    assert dataset.warnings[0].startswith(
        "1 boxes without a positive finite width and height were left out (first: "
    )
    assert "annotation 8 of image 7" in dataset.warnings[0]


def test_images_without_annotations_are_kept(tmp_path: Path) -> None:
    dataset = read(tmp_path)
    assert len(dataset) == 1
    assert dataset.boxes.shape == (0, 4)
    assert dataset.objects(0) == slice(0, 0)


def test_a_missing_size_is_read_from_the_file(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    dataset = read(tmp_path, images=[{"id": 7, "file_name": "a.png"}])
    assert dataset.sizes.tolist() == [[20, 30]]


def test_equal_category_names_are_told_apart(tmp_path: Path) -> None:
    dataset = read(tmp_path, categories=[{"id": 0, "name": "cell"}, {"id": 3, "name": "cell"}])
    assert dataset.label_map.names == ("cell", "cell (3)")
    assert "two categories are called 'cell'" in dataset.warnings[0]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (annotation(image_id=8), r"images, got 8 in annotation 1 of image 8"),
        (
            annotation(image_id="7"),
            r"got '7' in annotation 1 .*the number 7 and the text '7' differ",
        ),
        (annotation(category_id=4), r"categories, got 4 in annotation 1 of image 7"),
        (annotation(category_id=None), r"category_id must be listed .* got None in annotation 1"),
        (
            annotation(bbox=[1, 2, 3]),
            r"bbox must be four numbers .* got \[1, 2, 3\] in annotation 1",
        ),
        (
            annotation(bbox=None),
            r"needs bbox or segmentation, got neither in annotation 1 of image 7",
        ),
        (
            annotation(segmentation=[1, 1, 6, 1, 6, 6]),
            r"must be polygons \[\[x, y, .* got \[1, 1, .* in annotation 1",
        ),
        (
            annotation(segmentation={"size": [20, 30]}),
            r"or run lengths with size and counts, got .* in annotation 1",
        ),
        (
            annotation(bbox=None, segmentation=[[1, 1, 5]]),
            r"needs bbox or segmentation, got neither in annotation 1",
        ),
        (5, r"every annotation must be an object \{…\}, got 5"),
    ],
)
def test_an_annotation_that_cannot_be_understood_is_named(
    tmp_path: Path, record: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, record)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"images": IMAGES * 2}, "image ids must be unique, got 7 twice"),
        ({"categories": CATEGORIES * 2}, "category ids must be unique, got 3 twice"),
        (
            {"images": [{"id": 1.5, "file_name": "a.png"}]},
            "every image needs an id that is a whole number or a text",
        ),
        (
            {"images": [{"id": 1, "height": 2, "width": 2}]},
            "every image needs a file_name, got None in image 1",
        ),
        (
            {"images": [IMAGES[0] | {"height": 0}]},
            "pixels, got 0 and 30 in image 7",
        ),
        ({"images": [IMAGES[0] | {"height": "tall"}]}, "got 'tall' and 30 in image 7"),
        (
            {"annotations": None},
            "a COCO instances file holds the lists images, annotations, categories",
        ),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(
    tmp_path: Path, lists: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        read(tmp_path, **lists)
    assert str(tmp_path / "instances.json") in str(raised.value)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_file_that_is_not_coco_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "instances.json").write_text(content)
    with pytest.raises(UserError, match=r"instances\.json"):
        read_coco(tmp_path / "instances.json")


def test_a_given_label_map_takes_categories_by_name(tmp_path: Path) -> None:
    wanted = LabelMap((1, 2, 3), ("dog", "cat", "cow"))
    categories = [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}, {"id": 6, "name": "owl"}]
    records = [annotation(), annotation(id=2, category_id=5), annotation(id=3, category_id=6)]
    dataset = read(tmp_path, *records, categories=categories, label_map=wanted)
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.label_map == LabelMap(
        (5, 3, "cow"), ("dog", "cat", "cow")
    )  # 3 is this file's cat
    assert dataset.warnings[0] == "1 classes of the label map are not categories here: 'cow'"
    assert dataset.warnings[1] == "1 categories are not classes of the label map: 'owl'"
    assert dataset.warnings[2].startswith(
        "1 annotations of categories that the label map lacks were left out"
    )


def test_a_label_map_without_any_name_in_common_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="no category has a name of the label map: got 'cat', expected 'horse'"
    ):
        read(tmp_path, annotation(), label_map=LabelMap((1,), ("horse",)))


def test_a_label_map_survives_json() -> None:
    label_map = LabelMap((1, "b"), ("one", "two"))
    assert LabelMap.from_json(json.loads(json.dumps(label_map.to_json()))) == label_map


def write_image(folder: Path, height: int, width: int, orientation: int = 1) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(folder / "a.png", exif=exif)


def test_check_sizes_accepts_the_size_after_exif_rotation(tmp_path: Path) -> None:
    write_image(tmp_path, height=30, width=20, orientation=6)
    read(tmp_path, annotation())
    assert len(read_coco(tmp_path / "instances.json", check_sizes=True)) == 1


def test_check_sizes_names_the_setting_where_only_rotation_differs(tmp_path: Path) -> None:
    write_image(tmp_path, height=20, width=30, orientation=6)
    read(tmp_path, annotation())
    with pytest.raises(UserError, match=r"a\.png is 20x30 .* say 30x20, as with data\.exif=ignore"):
        read_coco(tmp_path / "instances.json", check_sizes=True)
    assert len(read_coco(tmp_path / "instances.json", check_sizes=True, exif="ignore")) == 1


def test_check_sizes_names_files_of_another_size_and_missing_ones(tmp_path: Path) -> None:
    write_image(tmp_path, height=21, width=30)
    read(tmp_path, images=[*IMAGES, {"id": 8, "file_name": "b.png", "height": 20, "width": 30}])
    with pytest.raises(UserError, match=r"2 of 2 do not") as raised:
        read_coco(tmp_path / "instances.json", check_sizes=True)
    assert "a.png is 30x21 pixels (width x height), its annotations say 30x20" in str(raised.value)
    assert "b.png does not exist" in str(raised.value)


def test_packed_values_are_a_sequence() -> None:
    values = PackedValues([3, "ä/b.jpg", "3"])
    assert list(values) == [3, "ä/b.jpg", "3"]
    assert values[-1] == "3"
    assert list(values[1:]) == ["ä/b.jpg", "3"]
    with pytest.raises(IndexError):
        values[3]


def test_a_dataset_holds_no_python_object_per_image_or_annotation(tmp_path: Path) -> None:
    counts = []
    for size in (1, 500):
        images = [
            {"id": f"i{number}", "file_name": f"{number}.png", "height": 9, "width": 9}
            for number in range(size)
        ]
        records = [annotation(id=number, image_id=f"i{number}") for number in range(size)]
        dataset = read(tmp_path, *records, images=images)
        counts.append(sum(1 for _ in pickletools.genops(pickle.dumps(dataset))))
    assert counts[0] == counts[1]


def test_coco200_reads_as_pycocotools_reads_it(coco200: Path) -> None:
    path = coco200 / "annotations" / "instances_val.json"
    dataset = read_coco(path, coco200 / "images" / "val", check_sizes=True)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(path))
    assert list(dataset.original_ids) == sorted(reference.getImgIds())
    assert dataset.label_map.category_ids == tuple(sorted(reference.getCatIds()))
    assert (len(dataset.boxes), int(dataset.crowd.sum())) == (712, 5)
    for index, image in enumerate(dataset.original_ids):
        rows = dataset.objects(index)
        records = reference.imgToAnns[image]
        assert dataset.boxes[rows].tolist() == [record["bbox"] for record in records]
        assert dataset.areas[rows].tolist() == [record["area"] for record in records]
        categories = [dataset.label_map.category_ids[label] for label in dataset.labels[rows]]
        assert categories == [record["category_id"] for record in records]


@pytest.mark.parametrize("split", ["train", "val"])
def test_columns_are_read_as_single_records_are(
    coco200: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    path = coco200 / "annotations" / f"instances_{split}.json"
    columns = read_coco(path)
    monkeypatch.setattr(coco_objects, "plain_rows", lambda *_: None)
    assert_same(columns, read_coco(path))


def test_records_that_need_a_look_keep_their_place_among_the_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A box without extent, one without area, one of another image and a class that the label map
    lacks.
    """
    images = [
        {"id": number, "file_name": f"{number}.png", "height": 20, "width": 30} for number in (7, 8)
    ]
    categories = [*CATEGORIES, {"id": 9, "name": "dog"}]
    label_map = LabelMap((3,), ("cat",))
    changes: list[dict[str, Any]] = [
        {"image_id": 8},
        {"bbox": [1, 2, 0, 4]},
        {"area": 0},
        {"iscrowd": 1},
    ]
    objects = [annotation(**change) for change in (*changes, {"category_id": 9}, {})]
    columns = read(tmp_path, *objects, images=images, categories=categories, label_map=label_map)
    assert columns.places.tolist() == [2, 3, 5, 0]
    assert columns.areas.tolist() == [50, 40, 40, 40]
    assert (
        len(columns.warnings) == 4
    )  # box, class, repeated id, and a class that is only in the file
    monkeypatch.setattr(coco_objects, "plain_rows", lambda *_: None)
    assert_same(
        columns, read(tmp_path, *objects, images=images, categories=categories, label_map=label_map)
    )


def assert_same(dataset: CocoDataset, expected: CocoDataset) -> None:
    for name in ("first", "boxes", "labels", "crowd", "areas", "places", "warnings"):
        assert np.array_equal(getattr(dataset, name), getattr(expected, name)), name


def test_coco200_areas_and_boxes_can_be_derived_from_the_masks(
    coco200: Path, tmp_path: Path
) -> None:
    content = json.loads((coco200 / "annotations" / "instances_val.json").read_bytes())
    for record in content["annotations"]:
        del record["area"], record["bbox"]
    (tmp_path / "masks.json").write_text(json.dumps(content))
    derived = read_coco(tmp_path / "masks.json")
    annotated = read_coco(coco200 / "annotations" / "instances_val.json")
    assert np.array_equal(derived.areas, annotated.areas)
    assert np.array_equal(derived.boxes, annotated.boxes)


@pytest.mark.parametrize(
    ("images", "annotations"),
    [
        ("train2017", "annotations/instances_train2017.json"),
        ("train", "annotations/instances_train.json"),
        ("images/train", "annotations/instances_train.json"),
        ("train", "train/_annotations.coco.json"),
    ],
)
def test_a_split_is_found_under_the_root(tmp_path: Path, images: str, annotations: str) -> None:
    (tmp_path / images).mkdir(parents=True)
    (tmp_path / "annotations").mkdir()
    (tmp_path / annotations).touch()
    assert locate_split(tmp_path, "train") == (tmp_path / images, tmp_path / annotations)


def test_a_split_in_roboflows_layout_is_found(tmp_path: Path) -> None:
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid/_annotations.coco.json").touch()
    assert locate_split(tmp_path, "val") == (
        tmp_path / "valid",
        tmp_path / "valid/_annotations.coco.json",
    )


def roboflow(used: list[int], supercategory: str = "cells") -> dict[str, Any]:
    """Lists of a file with Roboflow's heading, category 0, and objects of the categories `used`."""
    heading = {"id": 0, "name": "cells", "supercategory": "none"}
    others = [
        {"id": number, "name": f"kind {number}", "supercategory": supercategory}
        for number in (1, 2)
    ]
    return {
        "categories": [heading, *others],
        "annotations": [annotation(category_id=number) for number in used],
    }


def test_roboflows_heading_is_no_class(tmp_path: Path) -> None:
    dataset = read(tmp_path, **roboflow([1, 2]))
    assert (dataset.label_map.names, dataset.labels.tolist()) == (("kind 1", "kind 2"), [0, 1])
    assert dataset.warnings[0].startswith(
        "category 0, 'cells', has no object and is the heading of all others"
    )


@pytest.mark.parametrize("lists", [roboflow([0, 1]), roboflow([1], supercategory="none")])
def test_a_category_with_objects_or_without_others_below_it_is_a_class(
    tmp_path: Path, lists: dict[str, Any]
) -> None:
    assert read(tmp_path, **lists).label_map.names == ("cells", "kind 1", "kind 2")


def test_given_paths_go_before_the_root(tmp_path: Path) -> None:
    (tmp_path / "val2017").mkdir()
    (tmp_path / "mine.json").touch()
    found = locate_split(tmp_path, "val", annotations=tmp_path / "mine.json")
    assert found == (tmp_path / "val2017", tmp_path / "mine.json")


def test_a_split_that_is_not_found_lists_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no images and annotations for the val split") as raised:
        locate_split(tmp_path, "val")
    for tried in (
        "val2017",
        "val",
        "annotations/instances_val2017.json",
        "annotations/instances_val.json",
    ):
        assert str(tmp_path / tried) in str(raised.value)
    with pytest.raises(
        UserError, match=r"nothing, as no path is set; set data\.root, or data\.val\.images"
    ):
        locate_split(None, "val")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bbox": "1234"}, "four numbers"),
        ({"bbox": [10**400, 0, 1, 1]}, "four numbers"),
        ({"bbox": None, "segmentation": [[0, 0, 1e30, 0, 1e30, 1e30]]}, "at most 1e\\+07 pixels"),
        ({"bbox": None, "segmentation": [[None] * 6]}, "a polygon must be numbers"),
        (
            {"bbox": None, "segmentation": {"size": 20, "counts": [600]}},
            "run lengths must be of the image's height",
        ),
        ({"bbox": None, "segmentation": {"size": [20, 30], "counts": [1, 10**6]}}, "sum up to"),
        ({"bbox": None, "segmentation": {"size": [20, 30], "counts": [-1, 601]}}, "sum up to"),
        ({"bbox": None, "segmentation": {"size": [20, 30], "counts": 7}}, "sum up to"),
    ],
)
def test_numbers_that_no_image_has_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words) as raised:
        read(tmp_path, annotation() | changes)
    assert "annotation 1 of image 7" in str(raised.value)


@pytest.mark.parametrize("side", [float("inf"), float("nan"), 10**400, 2**31, 20.5, [20]])
def test_a_side_that_no_image_has_is_refused(tmp_path: Path, side: Any) -> None:
    with pytest.raises(UserError, match="whole numbers from 1"):
        read(tmp_path, images=[IMAGES[0] | {"height": side}])


@pytest.mark.parametrize("name", ["images", "categories"])
def test_an_empty_list_of_images_or_categories_is_refused(tmp_path: Path, name: str) -> None:
    lists: dict[str, Any] = {name: []}
    with pytest.raises(UserError, match=f"needs {name}, got an empty list"):
        read(tmp_path, **lists)


def test_a_name_with_half_a_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="category name must be whole characters"):
        read(tmp_path, categories=[{"id": 3, "name": "cat\ud800"}])


def test_a_file_nested_too_deep_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"cannot read .*deep\.json"):
        read_coco(tmp_path / "deep.json")


def test_categories_without_names_are_called_by_their_ids(tmp_path: Path) -> None:
    categories = [{"id": 3, "supercategory": "none"}, {"id": 4}]
    assert read(tmp_path, categories=categories).label_map.names == ("3", "4")
