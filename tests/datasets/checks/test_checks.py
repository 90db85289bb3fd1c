"""Every kind of defect planted alone is named with its file and entry, and mended where it
can be.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Tools
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Report, Split, check
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.convert.voc import read_voc
from tasks.datasets.convert.writing import write_coco

Content = dict[str, Any]
CHECK = "tools/check_data.py"


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        picture(tmp_path / "images" / name, seed)
    return tmp_path


def scan(folder: Path, file: str = "gt.json") -> Report:
    split = Split("data", folder / "images", folder / file)
    return check([split], exif="apply", grid=AnchorGrid())


def write(folder: Path, changed: Content) -> None:
    (folder / "gt.json").write_text(json.dumps(changed))


def test_a_sound_data_set_has_no_findings(folder: Path) -> None:
    write(folder, content())
    assert scan(folder).findings == ()


def set_(listed: str, place: int, /, **values: Any) -> Any:
    def change(made: Content) -> None:
        made[listed][place].update(values)

    return change


def bad(**values: Any) -> Any:
    return set_("annotations", 1, **values)


def without(name: str, place: int, key: str) -> Any:
    def change(made: Content) -> None:
        del made[name][place][key]

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
RECORDS = {  # defect: change, severity, kind, entry, part of what is told
    "same image id": (
        set_("images", 1, id=11),
        "error",
        "duplicate image id",
        "image 11",
        "a.png and b.png",
    ),
    "same file": (
        set_("images", 2, file_name="./a.png"),
        "error",
        "duplicate file name",
        "image 13",
        "of image 11",
    ),
    "image without id": (
        without("images", 1, "id"),
        "error",
        "malformed record",
        "image at place 1",
        "needs an id",
    ),
    "image without name": (
        without("images", 1, "file_name"),
        "error",
        "malformed record",
        "image 12",
        "file_name",
    ),
    "size in words": (
        set_("images", 1, width="wide"),
        "error",
        "malformed record",
        "image 12",
        "'wide'",
    ),
    "image is a text": (
        added("images", "d.png"),
        "error",
        "malformed record",
        "image at place 3",
        "'d.png'",
    ),
    "same category id": (
        set_("categories", 1, id=1),
        "error",
        "duplicate category id",
        "category 1",
        "'cat' and 'dog'",
    ),
    "same category": (
        set_("categories", 1, name="cat"),
        "warning",
        "duplicate category name",
        "category 2",
        "'cat'",
    ),
    "no category name": (
        without("categories", 0, "name"),
        "warning",
        "category without name",
        "category 1",
        "None",
    ),
    "category is null": (
        added("categories", None),
        "error",
        "malformed record",
        "category at place 2",
        "None",
    ),
    "unused": (
        added("categories", {"id": 7, "name": "yak"}),
        "warning",
        "unused category",
        "category 7",
        "'yak'",
    ),
    "same annotation id": (
        bad(id=110),
        "error",
        "duplicate annotation id",
        "annotation 110",
        "so far: 2",
    ),
    "no annotation id": (
        without("annotations", 1, "id"),
        "warning",
        "annotation without id",
        "place 1",
        "None",
    ),
    "unknown image": (bad(image_id=77), "error", "unknown image", "annotation 111", "image_id 77"),
    "image id as text": (bad(image_id="11"), "error", "unknown image", "annotation 111", "'11'"),
    "unknown category": (bad(category_id=9), "error", "unknown category", "annotation 111", "id 9"),
    "not finite": (bad(bbox=[1, 2, float("nan"), 3]), "error", "degenerate box", "111", "nan"),
    "endless": (bad(bbox=[1, 2, 1e300, 3]), "error", "degenerate box", "111", "1e+300"),
    "no width": (bad(bbox=[1, 2, 0, 3]), "error", "degenerate box", "annotation 111", "0.0, 3.0"),
    "negative": (bad(bbox=[9, 9, -4, 3]), "error", "degenerate box", "annotation 111", "-4.0"),
    "outside": (
        bad(bbox=[50, 2, 5, 5]),
        "error",
        "box outside",
        "annotation 111",
        "image 11 of 40x30",
    ),
    "past": (
        bad(bbox=[35, 2, 8, 5]),
        "warning",
        "box past the border",
        "annotation 111",
        "3 pixels",
    ),
    "tiny": (bad(bbox=[5, 5, 0.4, 9]), "warning", "tiny box", "annotation 111", "0.4"),
    "crowd": (bad(iscrowd=1), "warning", "crowd", "annotation 111", "crowd"),
    "crowd in words": (bad(iscrowd="no"), "error", "malformed record", "annotation 111", "got no"),
    "repeated": (
        added("annotations", OBJECT | {"bbox": [10, 12, 8, 9]}),
        "warning",
        "duplicate box",
        "999",
        "n 121",
    ),
    "three numbers": (
        bad(bbox=[1, 2, 3]),
        "error",
        "malformed record",
        "annotation 111",
        "[1, 2, 3]",
    ),
    "no box": (
        without("annotations", 1, "bbox"),
        "error",
        "malformed record",
        "annotation 111",
        "bbox or segmentation",
    ),
    "bad mask": (
        bad(segmentation=[["a"] * 6]),
        "error",
        "bad mask",
        "annotation 111",
        "a polygon must be numbers",
    ),
    "bad run lengths": (
        bad(segmentation={"size": [30, 40], "counts": [1, 10**6]}),
        "error",
        "bad mask",
        "111",
        "sum up",
    ),
    "annotation is a list": (
        added("annotations", [1]),
        "error",
        "malformed record",
        "place 6",
        "[1]",
    ),
}


@pytest.mark.parametrize("defect", RECORDS)
def test_a_defect_of_a_record_is_named_with_file_and_entry(folder: Path, defect: str) -> None:
    change, severity, kind, entry, told = RECORDS[defect]
    made = content()
    change(made)
    write(folder, made)
    named = [one for one in scan(folder).findings if one.kind == kind and entry in one.entry]
    assert [
        one for one in named if one.severity == severity and one.file == str(folder / "gt.json")
    ], named
    assert told in named[0].seen


@pytest.mark.parametrize("defect", RECORDS)
def test_a_mended_file_scans_clean(folder: Path, defect: str) -> None:
    made = content()
    RECORDS[defect][0](made)
    write(folder, made)
    write_fixed(scan(folder), folder / "fixed.json")
    assert scan(folder, "fixed.json").errors == 0
    assert read_coco(folder / "fixed.json", folder / "images", check_sizes=True).boxes.size > 0


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])


def remake(**changes: Any) -> Any:
    return lambda path: picture(path, 1, **changes)


FILES = {  # defect of images/b.png: change, severity, kind, part of what is told
    "missing": (Path.unlink, "error", "missing image", "does not exist"),
    "cut off": (truncate, "error", "unreadable image", "cannot decode"),
    "no image": (
        lambda path: path.write_text("text"),
        "error",
        "unreadable image",
        "not an image file",
    ),
    "other size": (
        remake(width=50),
        "error",
        "size mismatch",
        "is 50x30 pixels (width x height)",
    ),
    "turned": (remake(orientation=6), "error", "size mismatch", "data.exif=ignore"),
    "turned rightly": (
        remake(width=30, height=40, orientation=6),
        "warning",
        "EXIF",
        "right angle",
    ),
    "the same": (
        lambda path: shutil.copy(path.with_name("a.png"), path),
        "warning",
        "duplicate image",
        "of a.png",
    ),
}


@pytest.mark.parametrize("defect", FILES)
def test_a_defect_of_an_image_file_is_named_and_mended(folder: Path, defect: str) -> None:
    change, severity, kind, told = FILES[defect]
    change(folder / "images" / "b.png")
    write(folder, content())
    (named,) = [one for one in scan(folder).findings if one.kind == kind]
    assert (named.severity, named.file, named.entry) == (
        severity,
        str(folder / "images" / "b.png"),
        "image 12",
    )
    assert told in named.seen
    write_fixed(scan(folder), folder / "fixed.json")
    assert scan(folder, "fixed.json").errors == 0


def test_all_defects_are_named_in_one_pass(folder: Path) -> None:
    made = content()
    for place, record in enumerate(
        ({"image_id": 77}, {"category_id": 9}, {"bbox": [50, 2, 5, 5]}, {"bbox": "x"})
    ):
        made["annotations"][place].update(record)
    write(folder, made)
    (folder / "images" / "c.png").unlink()
    kinds = [one.kind for one in scan(folder).findings if one.severity == "error"]
    assert sorted(kinds) == [
        "box outside",
        "malformed record",
        "missing image",
        "unknown category",
        "unknown image",
    ]


def test_a_file_that_no_record_names_and_an_image_without_objects_are_warnings(
    folder: Path,
) -> None:
    made = content()
    made["annotations"] = made["annotations"][:4]
    write(folder, made)
    picture(folder / "images" / "left.png", 9)
    found = {
        (one.kind, one.severity, Path(one.file).name, one.entry) for one in scan(folder).findings
    }
    assert ("unlisted image", "warning", "left.png", "left.png") in found
    assert ("image without objects", "warning", "gt.json", "image 13") in found


def test_a_key_that_stands_twice_is_named(folder: Path) -> None:
    text = json.dumps(content()).replace('"id": 111,', '"id": 111, "bbox": [0, 0, 1, 1],')
    (folder / "gt.json").write_text(text)
    (found,) = [one for one in scan(folder).findings if one.kind == "repeated key"]
    assert (found.severity, found.entry) == ("error", "the record with id 111")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', "[" * 100_000])
def test_a_file_that_is_no_coco_file_is_one_error(folder: Path, text: str) -> None:
    (folder / "gt.json").write_text(text)
    report = scan(folder)
    assert [(one.kind, str(folder / "gt.json") in one.seen) for one in report.findings] == [
        ("unreadable annotations", True)
    ]
    with pytest.raises(UserError, match=r"gt\.json"):
        write_fixed(report, folder / "fixed.json")


@pytest.fixture
def two_splits(folder: Path) -> Path:
    """Train and val in COCO's layout; val's image e.png has the pixels of train's b.png under
    another format.
    """
    root = folder / "data"
    for split in ("train", "val"):
        shutil.copytree(folder / "images", root / split)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content()))
    for seed, name in ((3, "a.png"), (4, "c.png")):
        picture(root / "val" / name, seed)
    Image.open(root / "val" / "b.png").save(root / "val" / "e.bmp")
    (root / "val" / "b.png").unlink()
    (root / "annotations" / "instances_val.json").write_text(
        json.dumps(content(("a.png", "e.bmp", "c.png")))
    )
    return root


def test_an_image_in_both_splits_is_a_leak_and_leaves_the_training_split(
    tools: Tools, two_splits: Path
) -> None:
    answer = tools(CHECK, two_splits, "--fix", two_splits / "fixed.json")
    assert answer.status == 1
    assert (
        f"error: {two_splits / 'train' / 'b.png'}: image 12: the pixels are those of"
        in answer.output
    )
    files = [
        f"data.{split}.annotations={two_splits / f'fixed_{split}.json'}"
        for split in ("train", "val")
    ]
    again = tools(CHECK, f"data.root={two_splits}", *files)
    assert again.status == 0, again.output


def test_the_tool_takes_a_folder_a_pair_and_settings(tools: Tools, shapes: Path) -> None:
    files = (
        f"data.train.images={shapes / 'train'}",
        f"data.train.annotations={shapes / 'annotations/instances_train.json'}",
    )
    for arguments in ((shapes,), (files[0].split("=")[1], files[1].split("=")[1]), files):
        answer = tools(CHECK, *arguments)
        assert answer.status == 0, answer.output + answer.error
        assert "24 images" in answer.output
        assert "no errors" in answer.output


@pytest.mark.parametrize("argument", ["nowhere", "data.root=nowhere", "data.rot=x", "a b"])
def test_what_cannot_be_found_is_told_without_a_traceback(tools: Tools, argument: str) -> None:
    answer = tools(CHECK, *argument.split(" "))
    assert answer.status == 2
    assert "error: " in answer.error
    assert "Traceback" not in answer.error


def test_the_page_shows_what_was_found_and_needs_no_other_file(tools: Tools, folder: Path) -> None:
    made = content()
    made["annotations"][1]["bbox"] = [50, 2, 5, 5]
    made["categories"][0]["name"] = "<cat>\ud800"
    write(folder, made)
    answer = tools(CHECK, folder / "images", folder / "gt.json", "--html", folder / "out.html")
    page = (folder / "out.html").read_text()
    assert answer.status == 1
    assert 'src="data:image/jpeg;base64,' in page
    assert "annotation 111" in page
    assert "<cat>" not in page
    assert "http" not in page


@pytest.mark.parametrize("split", ["train", "val"])
def test_coco_gives_no_errors(coco200: Path, split: str) -> None:
    names = coco200 / "images" / split, coco200 / "annotations" / f"instances_{split}.json"
    report = check([Split(split, *names)], exif="apply", grid=AnchorGrid())
    assert [one for one in report.findings if one.severity == "error"] == []
    assert {one.kind for one in report.findings} <= {
        "crowd",
        "unused category",
        "image without objects",
    }


def test_bccd_gives_no_errors(bccd: Path, tmp_path: Path) -> None:
    splits = []
    for name, part in (("train", "trainval"), ("val", "test")):
        write_coco(read_voc(bccd, split=part), tmp_path / f"{name}.json")
        splits.append(Split(name, bccd / "JPEGImages", tmp_path / f"{name}.json"))
    report = check(splits, exif="apply", grid=AnchorGrid())
    assert [(one.kind, one.entry) for one in report.findings if one.severity == "error"] == []
