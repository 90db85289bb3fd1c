"""Converters against expectations written by hand, and bad input named by file and line."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.convert.csv_boxes import read_csv
from tasks.datasets.convert.voc import read_voc
from tasks.datasets.convert.writing import Converted, write_coco
from tasks.datasets.convert.yolo import read_yolo

if TYPE_CHECKING:
    from command_line import Tools

OBJECT = """<object>
<name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>
</object>
"""


def image(path: Path, width: int = 20, height: int = 10) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def voc_object(corners: tuple[float, ...], name: str = "cat", difficult: int = 0) -> str:
    return OBJECT.format(*corners, name=name, difficult=difficult)


def voc_file(root: Path, stem: str, objects: str, size: tuple[int, int] = (20, 10)) -> None:
    image(root / f"JPEGImages/{stem}.jpg")
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    text = f"<annotation>\n{stated}\n{objects}</annotation>"
    put(root / f"Annotations/{stem}.xml", text)


def boxes(converted: Converted) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    return {
        picture.file_name: [(box.label, box.box) for box in picture.boxes]
        for picture in converted.pictures
    }


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Two images in the split `train`, one in `test`, which has a class of its own."""
    voc_file(
        tmp_path, "a", voc_object((1, 1, 20, 10)) + voc_object((3, 4, 5, 4), "dog", difficult=1)
    )
    voc_file(tmp_path, "b", "")
    voc_file(tmp_path, "c", voc_object((2, 2, 3, 3), "ant"))
    put(tmp_path / "ImageSets/Main/train.txt", "b\na  1\n")
    put(tmp_path / "ImageSets/Main/test.txt", "c\n")
    return tmp_path


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """An image with a box and a triangle, and one with an empty label file; 20 x 10 pixels."""
    for name in ("a", "b"):
        image(tmp_path / f"images/train/{name}.png")
    put(tmp_path / "labels/train/a.txt", "1 0.5 0.5 0.2 0.4\n0 0.1 0.2 0.6 0.2 0.1 0.8\n")
    put(tmp_path / "labels/train/b.txt", "")
    put(tmp_path / "data.yaml", "train: images/train\nnc: 2\nnames: [dog, cat]\n")
    return tmp_path


# ---------------------------------------------------------------------------------------------- VOC


def test_voc_pixels_count_from_one_and_both_corners_belong_to_the_box(voc: Path) -> None:
    assert boxes(read_voc(voc, split="train")) == {
        "a.jpg": [("cat", (0, 0, 20, 10)), ("dog", (2, 3, 3, 1))],
        "b.jpg": [],
    }


def test_voc_points_from_zero(voc: Path) -> None:
    converted = read_voc(voc, split="train", origin=0)
    assert boxes(converted)["a.jpg"] == [("cat", (1, 1, 19, 9))]
    assert converted.warnings == (
        (
            "1 boxes without a positive width and height were left out (first:"
            f" {voc}/Annotations/a.xml:9)"
        ),
    )


def test_voc_category_ids_agree_between_splits(voc: Path) -> None:
    categories = {read_voc(voc, split=split).categories for split in ("train", "test", "all")}
    assert categories == {("ant", "cat", "dog")}
    assert read_voc(voc, split="train", categories=["dog", "cat"]).categories == ("dog", "cat")


@pytest.mark.parametrize(
    ("choice", "crowds"), [("ignore", [False, True]), ("keep", [False, False]), ("drop", [False])]
)
def test_voc_difficult(voc: Path, choice: Any, crowds: list[bool]) -> None:
    picture = read_voc(voc, split="train", difficult=choice).pictures[0]
    assert [box.crowd for box in picture.boxes] == crowds


def test_voc_size_is_the_image_files(tmp_path: Path) -> None:
    voc_file(tmp_path, "a", voc_object((1, 1, 5, 5)), size=(0, 0))
    converted = read_voc(tmp_path)
    assert converted.pictures[0].size == (10, 20)
    assert converted.warnings == (
        (
            "1 annotation files state another size than their image has, which was taken instead"
            f" (first: {tmp_path}/Annotations/a.xml:2, a.jpg is 20x10)"
        ),
    )


def test_voc_xml_beside_images(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    put(tmp_path / "a.xml", f"<annotation>{voc_object((1, 1, 2, 2))}</annotation>")
    assert boxes(read_voc(tmp_path)) == {"a.png": [("cat", (0, 0, 2, 2))]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>\n<object>", r"a\.xml:2: not XML"),
        (
            "<annotation>\n<object><name> </name></object></annotation>",
            r"a\.xml:2: <object> must hold a <name>",
        ),
        (
            "<annotation>\n\n<object><name>cat</name></object></annotation>",
            r"a\.xml:3: an <object> must hold a <bndbox>",
        ),
        (
            f"<annotation>{OBJECT.format('x', 1, 2, 3, name='cat', difficult=0)}</annotation>",
            r"a\.xml:3: .*'x'",
        ),
        (
            f"<annotation>{OBJECT.format('nan', 1, 2, 3, name='cat', difficult=0)}</annotation>",
            r"a\.xml:3: .*'nan'",
        ),
        (
            f"<annotation>{OBJECT.format(1, 1, 2, 3, name='cow', difficult=0)}</annotation>",
            r"a\.xml:1: .*got 'cow'",
        ),
    ],
)
def test_voc_errors_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    image(tmp_path / "a.png")
    put(tmp_path / "a.xml", text)
    with pytest.raises(UserError, match=message):
        read_voc(tmp_path, categories=["cat"])


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "latin-1", "utf-16", "utf-8-sig"])
def test_voc_is_read_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str) -> None:
    """fault_campaign 27."""
    name = "caf\xe9" if encoding == "latin-1" else "\u732b"
    declared = encoding.removesuffix("-sig")
    text = (
        f'<?xml version="1.0" encoding="{declared}"?><annotation>{voc_object((1, 1, 5, 5), name)}'
    )
    image(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_bytes(f"{text}</annotation>".encode(encoding))
    assert read_voc(tmp_path).categories == (name,)


def test_voc_of_an_unknown_or_another_encoding(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    for encoding in ("klingon", "utf-8", "ascii"):
        text = f'<?xml version="1.0" encoding="{encoding}"?><annotation>\xe9</annotation>'
        (tmp_path / "a.xml").write_bytes(text.encode("latin-1"))
        with pytest.raises(UserError, match=rf"a\.xml: must be text of its encoding {encoding}"):
            read_voc(tmp_path)


def test_voc_entities_are_refused(tmp_path: Path) -> None:
    """fault_campaign 17: nested ones grow without end."""
    image(tmp_path / "a.jpg")
    put(tmp_path / "a.xml", '<!DOCTYPE x [<!ENTITY a "x">]><annotation>&a;</annotation>')
    with pytest.raises(UserError, match=r"a\.xml:1: must declare no entities, got 'a'"):
        read_voc(tmp_path)


def test_voc_leaves_hidden_files_and_pipes_alone(tmp_path: Path) -> None:
    """field_faults 13, fault_campaign 17."""
    image(tmp_path / "a.jpg")
    put(tmp_path / "a.xml", f"<annotation>{voc_object((1, 1, 5, 5))}</annotation>")
    put(tmp_path / "._a.xml", "a Mac's")
    put(tmp_path / ".ipynb_checkpoints/a-checkpoint.xml", "a copy")
    os.mkfifo(tmp_path / "b.xml")
    assert boxes(read_voc(tmp_path)) == {"a.jpg": [("cat", (0, 0, 5, 5))]}


@pytest.mark.parametrize("name", ["a&#10;b", "cat&#9;1", "&#x200b;"])
def test_voc_names_that_cannot_be_shown(tmp_path: Path, name: str) -> None:
    """field_faults 6; blanks around a name are no part of it."""
    image(tmp_path / "a.jpg")
    both = voc_object((1, 1, 5, 5), "cat&#13; ") + voc_object((1, 1, 5, 5), name)
    put(tmp_path / "a.xml", f"<annotation>{both}</annotation>")
    with pytest.raises(UserError, match=r"a\.xml:\d: a class name must be one line"):
        read_voc(tmp_path)
    put(tmp_path / "a.xml", f"<annotation>{voc_object((1, 1, 5, 5), 'cat&#13; ')}</annotation>")
    assert read_voc(tmp_path).categories == ("cat",)


def test_voc_boxes_without_a_part_in_their_image_are_left_out(tmp_path: Path) -> None:
    """field_faults 7: nothing is written that training leaves out or refuses."""
    image(tmp_path / "a.jpg")
    both = voc_object((1, 1, 5, 5)) + voc_object((30, 1, 35, 5))
    put(tmp_path / "a.xml", f"<annotation>{both}</annotation>")
    converted = read_voc(tmp_path)
    assert boxes(converted) == {"a.jpg": [("cat", (0, 0, 5, 5))]}
    assert converted.warnings[0].startswith("1 boxes without a part in their image were left out")


def test_voc_split_must_be_said_and_known(voc: Path) -> None:
    with pytest.raises(UserError, match="has test, train"):
        read_voc(voc)
    put(voc / "ImageSets/Main/train.txt", "a\nzebra\n")
    with pytest.raises(UserError, match=r"train\.txt:2: no annotation file zebra\.xml"):
        read_voc(voc, split="train")


def test_voc_image_that_is_missing(voc: Path) -> None:
    (voc / "JPEGImages/b.jpg").unlink()
    with pytest.raises(UserError, match=r"b\.xml:1: no image b"):
        read_voc(voc, split="train")


# ----------------------------------------------------------------------------------------------
# YOLO


def test_yolo_boxes_outlines_and_empty_files(yolo: Path) -> None:
    converted = read_yolo(yolo)
    assert converted.categories == ("dog", "cat")
    assert boxes(converted) == {
        "a.png": [("cat", (8, 3, 4, 4)), ("dog", (2, 2, 10, 6))],
        "b.png": [],
    }
    assert converted.pictures[0].boxes[1].polygons == ((2, 2, 12, 2, 2, 8),)
    assert converted.image_root == yolo / "images/train"


def test_yolo_area_of_an_outline_is_the_triangles(yolo: Path) -> None:
    write_coco(read_yolo(yolo), yolo / "out.json")
    areas = [
        record["area"] for record in json.loads((yolo / "out.json").read_text())["annotations"]
    ]
    assert areas == pytest.approx([16, 30])


@pytest.mark.parametrize(
    ("settings", "split"),
    [
        ("val: ../images/train\nnames: {0: dog, 1: cat}", "val"),  # as Roboflow writes it
        ("path: /not/there\ntest: [images/train]\nnames: [dog, cat]", "test"),
        ("train: list.txt\nnames: [dog, cat]", "train"),
    ],
)
def test_yolo_settings_of_other_kinds(yolo: Path, settings: str, split: str) -> None:
    put(yolo / "list.txt", "./images/train/a.png\n\nimages/train/b.png\n")
    put(yolo / "data.yaml", settings)
    assert boxes(read_yolo(yolo / "data.yaml", split=split)).keys() == {"a.png", "b.png"}


def test_yolo_sources_may_be_absolute_and_relative(
    yolo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = yolo / "elsewhere"
    image(elsewhere / "images/e.png")
    put(elsewhere / "labels/e.txt", "0 0.5 0.5 0.5 0.5\n")
    settings = f"names: [cat, dog]\ntrain: [images/train, {elsewhere}/images]\n"
    put(yolo / "data.yaml", settings)
    monkeypatch.chdir(yolo.parent)
    both = read_yolo(yolo.name)
    assert both.image_root == yolo
    names = [picture.file_name for picture in both.pictures]
    assert names == ["elsewhere/images/e.png", "images/train/a.png", "images/train/b.png"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"PK\x03\x04\xe9"])
def test_lists_that_are_no_text_are_named(voc: Path, yolo: Path, content: bytes) -> None:
    (yolo / "list.txt").write_bytes(content)
    put(yolo / "data.yaml", "names: [cat, dog]\ntrain: list.txt\n")
    with pytest.raises(UserError, match=r"must be a text file in UTF-8, .*list\.txt has another"):
        read_yolo(yolo)
    (voc / "ImageSets/Main/train.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"must be a text file in UTF-8, .*train\.txt has another"):
        read_voc(voc, split="train")


def test_images_must_be_a_folder(voc: Path) -> None:
    file = next((voc / "JPEGImages").iterdir())
    with pytest.raises(UserError, match=f"images must be a folder, got the file {file}"):
        read_voc(voc, split="all", images=file)


def test_yolo_images_without_label_file(yolo: Path) -> None:
    (yolo / "labels/train/b.txt").unlink()
    assert read_yolo(yolo).warnings == (
        f"1 images have no label file, and so no objects (first: {yolo}/images/train/b.png)",
    )
    (yolo / "labels/train/a.txt").unlink()
    with pytest.raises(UserError, match=r"found none of 2; looked for .*labels/train/a\.txt"):
        read_yolo(yolo)


def test_yolo_key_points_are_left_out_with_a_count(yolo: Path) -> None:
    """field_faults 3: the settings say which numbers are no outline."""
    with (yolo / "data.yaml").open("a") as file:
        file.write("kpt_shape: [4, 2]\n")
    put(yolo / "labels/train/a.txt", "1 0.5 0.5 0.2 0.4 0.1 0.1 0.2 0.2 0.3 0.3 0.4 0.4\n")
    converted = read_yolo(yolo)
    assert boxes(converted)["a.png"] == [("cat", (8, 3, 4, 4))]
    assert converted.pictures[0].boxes[0].polygons == ()
    warning = "1 rows have key points, which were left out"
    assert converted.warnings == (f"{warning} (first: {yolo}/labels/train/a.txt:1)",)
    put(yolo / "labels/train/a.txt", "1 0.5 0.5 0.2 0.4 0.1 0.1\n")
    with pytest.raises(UserError, match=r"a\.txt:1: .* 8 numbers of key points"):
        read_yolo(yolo)


@pytest.mark.parametrize(
    "names", ["{'0': no, '1': 7}\nnc: '2'", "{0: no, 1: 7}\nnc: 2.0", "['no', '7']", "[no, 7]"]
)
def test_yolo_names_are_the_texts_that_are_written(yolo: Path, names: str) -> None:
    """field_faults 12."""
    put(yolo / "data.yaml", f"train: images/train\nnames: {names}\n")
    assert read_yolo(yolo).categories == ("no", "7")


def test_yolo_aliases_that_grow_without_end(yolo: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        lines.append(f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]")
    put(yolo / "data.yaml", "\n".join([*lines, "names: *a8", "train: images/train"]))
    with pytest.raises(UserError, match="names must be a list"):
        read_yolo(yolo)


def test_yolo_reads_every_kind_of_image_and_counts_what_it_leaves_out(yolo: Path) -> None:
    """field_faults 4 and 13."""
    folder = yolo / "images/train"
    (folder / "b.png").rename(folder / "b.apng")
    Image.new("RGB", (20, 10)).save(folder / "c.jfif", "JPEG")
    image(folder / ".ipynb_checkpoints/a-checkpoint.png")
    put(folder / "._a.png", "a Mac's")
    put(folder / "Thumbs.db", "Windows'")
    put(yolo / "labels/train/c.txt", "0 0.5 0.5 0.2 0.4\n")
    put(yolo / "labels/train/d.txt", "0 0.5 0.5 0.2 0.4\n")
    converted = read_yolo(yolo)
    assert sorted(boxes(converted)) == ["a.png", "b.apng", "c.jfif"]
    labels = "1 label files have no image of their name and were left out"
    files = "1 files ending in .db are no images that are read and were left out"
    assert converted.warnings == (
        f"{labels} (first: {yolo}/labels/train/d.txt)",
        f"{files} (first: {folder}/Thumbs.db)",
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("9" * 400 + ".0 0.5 0.5 0.2 0.4", "class number"),
        ("2 0.5 0.5 0.2 0.4", r"class number 0\.\.1, got '2'"),
        ("x 0.5 0.5 0.2 0.4", "got 'x'"),
        ("0 0.5 0.5 0.2", "got 4 values"),
        ("0 0.5 0.5 0.2 0.2 0.9", "got 6 values"),
        ("0 0.5 zero 0.2 0.4", "numbers only"),
        ("0 0.5 nan 0.2 0.4", r"in \[0, 1\], got nan"),
        ("0 320 240 20 40", r"in \[0, 1\], got 320\.0; divide them"),
    ],
)
def test_yolo_errors_name_file_and_line(yolo: Path, row: str, message: str) -> None:
    put(yolo / "labels/train/a.txt", f"1 0.5 0.5 0.2 0.4\n\n{row}\n")
    with pytest.raises(UserError, match=rf"a\.txt:3: .*{message}"):
        read_yolo(yolo)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("train: images/train\nnames: [a]\nnc: 2", "got nc '2' and 1 names"),
        ("train: images/train\nnames: {0: a, 2: b}", r"numbered 0\.\.1, got '0', '2'"),
        ("train: images/train", "names must be a list"),
        ("val: images/train\nnames: [a]", "it names val"),
        ("train: nowhere\nnames: [a]", "nowhere must exist"),
        ("train: [", "must be a YAML file"),
        ("train: " + "[" * 2000, "must be a YAML file"),
        ("train: images/train\nnames: [a]\nkpt_shape: 4", "kpt_shape must be how many"),
        ("train: images/train\nnames: [a, [b]]", "names must be a list"),
        ('train: images/train\nnames: ["a\\tb"]', r"can be shown, got 'a\\tb'"),
    ],
)
def test_yolo_settings_that_are_wrong(yolo: Path, settings: str, message: str) -> None:
    put(yolo / "data.yaml", settings)
    with pytest.raises(UserError, match=message):
        read_yolo(yolo)


# ---------------------------------------------------------------------------------------------- CSV


@pytest.mark.parametrize(
    ("header", "row", "box"),
    [
        (
            "filename,width,height,class,xmin,ymin,xmax,ymax",
            "a.png,20,10,cat,1,2,4,8",
            (1, 2, 3, 6),
        ),
        ("image;label;x;y;w;h", "a.png;cat;1;2;3.5;6", (1, 2, 3.5, 6)),
        ("path,x1,y1,x2,y2,class_name", '"/elsewhere/a.png",1,2,4,8,cat', (1, 2, 3, 6)),
    ],
)
def test_csv_columns_are_recognised(
    tmp_path: Path, header: str, row: str, box: tuple[float, ...]
) -> None:
    image(tmp_path / "a.png")
    assert boxes(read_csv(put(tmp_path / "a.csv", f"{header}\n{row}\n"))) == {
        "a.png": [("cat", box)]
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.png,cat,0.1,0.1,0.5,0.5\n", r"bbox must be in pixels, got fractions"),
        ("a.png,cat,1,1,1e300,5\n", r"a\.csv:2: x2 must be a number, got '1e300'"),
        ("a.png,c\0t,1,1,5,5\n", r"a\.csv:2: a class name must be one line"),
        ("a.png,,1,1,5,5\n", r"a\.csv:2: a class name must be one line .*, got ''"),
    ],
)
def test_csv_that_training_would_refuse(tmp_path: Path, rows: str, message: str) -> None:
    """field_faults 6, 7 and 9."""
    image(tmp_path / "a.png")
    put(tmp_path / "a.csv", f"file,label,x1,y1,x2,y2\n{rows}")
    with pytest.raises(UserError, match=message):
        read_csv(tmp_path / "a.csv")


def test_csv_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(UserError, match="not a file, but a folder, a pipe or a device"):
        read_csv(tmp_path / "a.csv")


def test_csv_columns_that_are_named(tmp_path: Path) -> None:
    image(tmp_path / "photos/a.png")
    table = put(tmp_path / "a.csv", "pic,kind,l,t,r,b\na.png,cat,1,2,4,8\n")
    columns = {"file": "pic", "label": "kind", "x1": "l", "y1": "t", "x2": "r", "y2": "b"}
    converted = read_csv(table, images=tmp_path / "photos", columns=columns, origin=1)
    assert boxes(converted) == {"a.png": [("cat", (0, 1, 4, 7))]}


def test_csv_images_without_objects_and_without_labels(tmp_path: Path) -> None:
    for name in ("a", "b"):
        image(tmp_path / f"{name}.png")
    table = put(tmp_path / "a.csv", "file,x,y,w,h\nb.png,1,2,3,4\na.png,,,,\nb.png,0,0,5,5\n")
    converted = read_csv(table, categories=["thing"])
    assert boxes(converted) == {
        "a.png": [],
        "b.png": [("thing", (1, 2, 3, 4)), ("thing", (0, 0, 5, 5))],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,label,x,y,w,h\na.png,cat,1,2,3,4\nb.png,cat,1,2,3,4\n",
            r"a\.csv:3: no image 'b\.png'",
        ),
        ("file,label,x,y,w,h\na.png,cat,1,two,3,4\n", r"a\.csv:2: y must be a number, got 'two'"),
        ("file,label,x,y,w,h\na.png,cat,1,2,,4\n", r"a\.csv:2: w must be a number, got ''"),
        (
            "file,label,x,y,w,h\na.png,cat,1,2,3\n",
            r"a\.csv:2: must have the header's 6 columns, got 5",
        ),
        ("file,label,x,y,w,h\na.png,cow,1,2,3,4\n", r"a\.csv:2: .*got 'cow'"),
        ("file,label,x,y,w\na.png,cat,1,2,3\n", "no column for h in the header"),
        ("file,label,x,y,w,h\n", "at least one row"),
        ("", "at least one row"),
    ],
)
def test_csv_errors_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    image(tmp_path / "a.png")
    with pytest.raises(UserError, match=message):
        read_csv(put(tmp_path / "a.csv", text), categories=["cat", "dog"])


# ---------------------------------------------------------------------------------------------- the
# file, the tool


def test_written_file_is_read_back(yolo: Path) -> None:
    write_coco(read_yolo(yolo), yolo / "new/out.json")
    dataset = read_coco(yolo / "new/out.json", yolo / "images/train", check_sizes=True)
    assert dataset.label_map.names == ("dog", "cat")
    assert dataset.label_map.category_ids == (1, 2)
    assert dataset.boxes.tolist() == [[8, 3, 4, 4], [2, 2, 10, 6]]
    assert dataset.warnings == ()


def test_difficult_objects_are_crowds_in_the_file(voc: Path) -> None:
    write_coco(read_voc(voc, split="train"), voc / "out.json")
    assert read_coco(voc / "out.json", voc / "JPEGImages").crowd.tolist() == [False, True]


def test_the_tool_says_what_to_do_next(voc: Path, tools: Tools) -> None:
    printed = tools(
        "tools/convert_data.py", "voc", str(voc), str(voc / "out.json"), "--split", "train"
    ).output
    assert f"tools/check_data.py {voc}/JPEGImages {voc}/out.json" in printed
    assert "2 images, 1 of them without objects\n  2 objects, 1 of them ignored" in printed
    assert re.search(r"1 ant: 0\n +2 cat: 1\n +3 dog: 1", printed)


def test_the_next_commands_are_as_the_user_starts_them(voc: Path) -> None:
    commands = {"check_command": "tools/check_data.py", "train_command": "tools/train_det.py"}
    printed = write_coco(read_voc(voc, split="train"), voc / "out.json", **commands)
    images = voc / "JPEGImages"
    file = voc / "out.json"
    assert printed.splitlines()[-4:] == [
        f"check it:  tools/check_data.py {images} {file}",
        "train:     tools/train_det.py faster_rcnn_r18_custom \\",
        f"               data.train.images={images} data.train.annotations={file} \\",
        "               data.val.images=IMAGES data.val.annotations=OTHER.json",
    ]


@pytest.mark.parametrize("name", ["val.json", "instances_Test.json"])
def test_a_validation_split_is_named_as_such_in_the_next_command(voc: Path, name: str) -> None:
    """first_hour 8."""
    printed = write_coco(read_voc(voc, split="train"), voc / name)
    assert printed.splitlines()[-2:] == [
        "               data.train.images=IMAGES data.train.annotations=OTHER.json \\",
        f"               data.val.images={voc / 'JPEGImages'} data.val.annotations={voc / name}",
    ]


def test_the_tool_reads_columns_and_categories(tmp_path: Path, tools: Tools) -> None:
    image(tmp_path / "a.png")
    table = put(tmp_path / "a.csv", "pic,x,y,w,h\na.png,1,2,3,4\n")
    tools(
        "tools/convert_data.py",
        "csv",
        str(table),
        str(tmp_path / "o.json"),
        "--columns=file=pic",
        "--categories=a",
    )
    assert json.loads((tmp_path / "o.json").read_text())["annotations"][0]["bbox"] == [1, 2, 3, 4]


@pytest.fixture
def bccd_split(bccd: Path) -> Callable[[str], Converted]:
    return lambda split: read_voc(bccd, split=split)


def test_bccd(bccd_split: Callable[[str], Converted]) -> None:
    splits = {name: bccd_split(name) for name in ("train", "val", "trainval", "test")}
    assert {name: len(one.pictures) for name, one in splits.items()} == {
        "train": 205,
        "val": 87,
        "trainval": 292,
        "test": 72,
    }
    assert {one.categories for one in splits.values()} == {("Platelets", "RBC", "WBC")}
    counts = Counter(
        box.label
        for name in ("trainval", "test")
        for one in splits[name].pictures
        for box in one.boxes
    )
    assert counts == {
        "RBC": 4155,
        "WBC": 372,
        "Platelets": 361,
    }  # as grep counts <name> in the XML files
    assert all(one.warnings == () for one in splits.values())
