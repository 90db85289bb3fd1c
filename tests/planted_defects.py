"""A small COCO data set, and defects to plant in it, each with what has to be found."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

Content = dict[str, Any]
# Kinds of findings that --fix leaves: nobody but the user knows what is right.
NOT_FIXABLE = {
    "EXIF",
    "category without name",
    "crowd",
    "duplicate image",
    "tiny box",
    "unused category",
}


class Planted(NamedTuple):
    """A defect, and what has to be found."""

    change: Any
    """Makes it in the annotation file's content, or in an image file."""
    severity: str
    kind: str
    record: str
    words: str
    """A part of the rule or the way out."""


def picture(
    path: Path, seed: int, *, width: int = 40, height: int = 30, orientation: int | None = None
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def content(names: tuple[str, ...] = ("a.png", "b.png", "c.png")) -> Content:
    """Three images of 40x30 pixels with two objects each, of two categories."""
    images: list[dict[str, Any]] = [
        {"id": n, "file_name": name, "width": 40, "height": 30} for n, name in enumerate(names, 11)
    ]
    boxes = ([2, 3, 20, 10], [10, 12, 8, 9])
    annotations = [
        {
            "id": 10 * image["id"] + n,
            "image_id": image["id"],
            "category_id": n + 1,
            "bbox": box,
            "area": 50,
            "iscrowd": 0,
        }
        for image in images
        for n, box in enumerate(boxes)
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def set_(listed: str, index: int, /, **values: Any) -> Any:
    def change(made: Content) -> None:
        made[listed][index].update(values)

    return change


def bad(**values: Any) -> Any:
    return set_("annotations", 1, **values)


def without(name: str, index: int, key: str) -> Any:
    def change(made: Content) -> None:
        del made[name][index][key]

    return change


def added(name: str, record: Any) -> Any:
    def change(made: Content) -> None:
        made[name].append(record)

    return change


OBJECT = {
    "id": 999,
    "image_id": 12,
    "category_id": 2,
    "bbox": [1, 1, 5, 5],
    "area": 25,
    "iscrowd": 0,
}
RECORDS = {  # changes of the annotation file
    "same image id": Planted(
        set_("images", 1, id=11),
        "error",
        "duplicate image id",
        "image 11",
        "a.png and b.png",
    ),
    "same file": Planted(
        set_("images", 2, file_name="./a.png"),
        "error",
        "duplicate file name",
        "image 13",
        "of image 11",
    ),
    "image without id": Planted(
        without("images", 1, "id"),
        "error",
        "malformed record",
        "image at place 1",
        "needs an id",
    ),
    "image without name": Planted(
        without("images", 1, "file_name"),
        "error",
        "malformed record",
        "image 12",
        "file_name",
    ),
    "size in words": Planted(
        set_("images", 1, width="wide"),
        "error",
        "malformed record",
        "image 12",
        "'wide'",
    ),
    "image is a text": Planted(
        added("images", "d.png"),
        "error",
        "malformed record",
        "image at place 3",
        "'d.png'",
    ),
    "same category id": Planted(
        set_("categories", 1, id=1),
        "error",
        "duplicate category id",
        "category 1",
        "'cat' and 'dog'",
    ),
    "same category": Planted(
        set_("categories", 1, name="cat"),
        "warning",
        "duplicate category name",
        "category 2",
        "'cat'",
    ),
    "no category name": Planted(
        without("categories", 0, "name"),
        "warning",
        "category without name",
        "category 1",
        "None",
    ),
    "category is null": Planted(
        added("categories", None),
        "error",
        "malformed record",
        "category at place 2",
        "None",
    ),
    "unused": Planted(
        added("categories", {"id": 7, "name": "yak"}),
        "warning",
        "unused category",
        "category 7",
        "'yak'",
    ),
    "same annotation id": Planted(
        bad(id=110),
        "warning",
        "duplicate annotation id",
        "annotation 110",
        "so far: 2",
    ),
    "no annotation id": Planted(
        without("annotations", 1, "id"),
        "warning",
        "annotation without id",
        "place 1",
        "None",
    ),
    "unknown image": Planted(
        bad(image_id=77), "error", "unknown image", "annotation 111", "image_id 77"
    ),
    "image id as text": Planted(
        bad(image_id="11"), "error", "unknown image", "annotation 111", "'11'"
    ),
    "unknown category": Planted(
        bad(category_id=9), "error", "unknown category", "annotation 111", "id 9"
    ),
    "not finite": Planted(
        bad(bbox=[1, 2, float("nan"), 3]), "warning", "degenerate box", "111", "nan"
    ),
    "endless": Planted(bad(bbox=[1, 2, 1e300, 3]), "warning", "degenerate box", "111", "1e+300"),
    "no width": Planted(
        bad(bbox=[1, 2, 0, 3]), "warning", "degenerate box", "annotation 111", "0.0, 3.0"
    ),
    "negative": Planted(
        bad(bbox=[9, 9, -4, 3]), "warning", "degenerate box", "annotation 111", "-4.0"
    ),
    "outside": Planted(
        bad(bbox=[50, 2, 5, 5]),
        "warning",
        "box outside",
        "annotation 111",
        "image 11 of 40x30",
    ),
    "past": Planted(
        bad(bbox=[35, 2, 8, 5]),
        "warning",
        "box past the border",
        "annotation 111",
        "3 pixels",
    ),
    "tiny": Planted(bad(bbox=[5, 5, 0.4, 9]), "warning", "tiny box", "annotation 111", "0.4"),
    "crowd": Planted(bad(iscrowd=1), "warning", "crowd", "annotation 111", "crowd"),
    "crowd in words": Planted(
        bad(iscrowd="no"), "error", "malformed record", "annotation 111", "got 'no'"
    ),
    "repeated": Planted(
        added("annotations", OBJECT | {"bbox": [10, 12, 8, 9]}),
        "warning",
        "duplicate box",
        "999",
        "n 121",
    ),
    "three numbers": Planted(
        bad(bbox=[1, 2, 3]),
        "error",
        "malformed record",
        "annotation 111",
        "[1, 2, 3]",
    ),
    "no box": Planted(
        without("annotations", 1, "bbox"),
        "error",
        "malformed record",
        "annotation 111",
        "bbox or segmentation",
    ),
    "bad mask": Planted(
        bad(segmentation=[["a"] * 6]),
        "warning",
        "bad mask",
        "annotation 111",
        "a polygon must be numbers",
    ),
    "bad run lengths": Planted(
        bad(segmentation={"size": [30, 40], "counts": [1, 10**6]}),
        "warning",
        "bad mask",
        "111",
        "sum up",
    ),
    "annotation is a list": Planted(
        added("annotations", [1]),
        "error",
        "malformed record",
        "place 6",
        "[1]",
    ),
}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])


def remake(**changes: Any) -> Any:
    return lambda path: picture(path, 1, **changes)


FILES = {  # changes of images/b.png
    "missing": Planted(Path.unlink, "error", "missing image", "image 12", "does not exist"),
    "cut off": Planted(truncate, "error", "unreadable image", "image 12", "cannot decode"),
    "no image": Planted(
        lambda path: path.write_text("text"),
        "error",
        "unreadable image",
        "image 12",
        "not an image file",
    ),
    "other size": Planted(
        remake(width=50),
        "error",
        "size mismatch",
        "image 12",
        "is 50x30 pixels (width x height)",
    ),
    "turned": Planted(
        remake(orientation=6), "error", "size mismatch", "image 12", "data.exif=ignore"
    ),
    "turned rightly": Planted(
        remake(width=30, height=40, orientation=6),
        "warning",
        "EXIF",
        "image 12",
        "right angle",
    ),
    "the same": Planted(
        lambda path: shutil.copy(path.with_name("a.png"), path),
        "warning",
        "duplicate image",
        "image 12",
        "of a.png",
    ),
}


def write(folder: Path, changed: Content) -> None:
    """Write the annotation file."""
    (folder / "gt.json").write_text(json.dumps(changed))


def make_images(folder: Path) -> None:
    """Write the three image files of `content`."""
    (folder / "images").mkdir()
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        picture(folder / "images" / name, seed)


def plant(folder: Path, *defects: str) -> Planted:
    """Plant defects in the annotation file or its images, write it, and return the last of them."""
    made = content()
    for defect in defects:
        if defect in RECORDS:
            RECORDS[defect].change(made)
        else:
            FILES[defect].change(folder / "images" / "b.png")
    write(folder, made)
    return (RECORDS | FILES)[defects[-1]]
