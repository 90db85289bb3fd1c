"""Labelme's and CVAT's outlines and masks against pixels counted by hand, and bad input."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from masks import write_image
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import read_coco, read_segmentations
from tasks.datasets.coco.objects import decode_mask
from tasks.datasets.convert.cvat import read_cvat
from tasks.datasets.convert.labelme import read_labelme
from tasks.datasets.convert.writing import Converted, LabelledBox, write_coco

if TYPE_CHECKING:
    from command_line import Tools

SQUARE = [[1, 1], [3, 1], [3, 3], [1, 3]]  # 2 x 2 pixels


def only(converted: Converted) -> LabelledBox:
    """The object of the first picture."""
    (box,) = converted.pictures[0].boxes
    return box


def written(converted: Converted, folder: Path) -> list[list[list[int]]]:
    """The masks of the objects in the file that is written."""
    write_coco(converted, folder / "out.json")
    dataset = read_coco(folder / "out.json", converted.image_root, check_sizes=True)
    rows: list[list[list[int]]] = []
    for text in read_segmentations(dataset):
        mask = decode_mask(json.loads(str(text)), 4, 6, "object")
        assert mask is not None
        rows.append(mask.astype(int).tolist())
    return rows


# Labelme.


def shape(kind: str, points: list[list[float]], label: str = "cat", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **more}


def labelme(folder: Path, *shapes: Any, **more: Any) -> Path:
    """A file about an image of 6 x 4 pixels."""
    write_image(folder / "a.png", 4, 6)
    content = {"shapes": shapes, "imagePath": "a.png", "imageData": None, **more}
    (folder / "a.json").write_text(json.dumps(content))
    return folder


def png_text(rows: list[list[int]]) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.array(rows, dtype=np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_labelme_polygons(tmp_path: Path) -> None:
    converted = read_labelme(labelme(tmp_path, shape("polygon", SQUARE)))
    assert only(converted).box == (1, 1, 2, 2)
    assert written(converted, tmp_path) == [
        [[0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    ]


def test_labelme_rectangles_have_their_corners_in_any_order(tmp_path: Path) -> None:
    converted = read_labelme(labelme(tmp_path, shape("rectangle", [[5, 3], [2, 1]])))
    assert only(converted).box == (2, 1, 3, 2)


def test_labelme_circles_are_given_by_a_point_on_them(tmp_path: Path) -> None:
    converted = read_labelme(labelme(tmp_path, shape("circle", [[3, 2], [3, 0.5]])))
    assert only(converted).box == pytest.approx((1.5, 0.5, 3, 3))
    write_coco(converted, tmp_path / "out.json")
    annotation = json.loads((tmp_path / "out.json").read_text())["annotations"][0]
    assert annotation["area"] == pytest.approx(np.pi * 1.5**2, rel=0.002)


def test_labelme_masks_lie_in_their_box(tmp_path: Path) -> None:
    mask = shape("mask", [[2, 1], [4, 2]], mask=png_text([[0, 255, 255], [255, 0, 0]]))
    converted = read_labelme(labelme(tmp_path, mask))
    assert only(converted).box == (2, 1, 3, 2)
    assert written(converted, tmp_path) == [
        [[0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    ]


def test_labelme_groups_are_one_object(tmp_path: Path) -> None:
    second = [[4, 0], [6, 0], [6, 1], [4, 1]]
    shapes = [shape("polygon", points, group_id=1) for points in (SQUARE, second)]
    other = shape("polygon", SQUARE, label="dog", group_id=1)
    converted = read_labelme(labelme(tmp_path, *shapes, other))
    assert [(box.label, box.box) for box in converted.pictures[0].boxes] == [
        ("cat", (1, 0, 5, 3)),
        ("dog", (1, 1, 2, 2)),
    ]
    assert np.sum(written(converted, tmp_path)[0]) == 6


def test_labelme_clips_what_is_outside_and_says_so(tmp_path: Path) -> None:
    outline = [[-1, -1], [2, -1], [2, 9], [-1, 9]]
    converted = read_labelme(labelme(tmp_path, shape("polygon", outline)))
    assert only(converted).box == (0, 0, 2, 4)
    assert "1 outlines reach outside their image and were clipped" in converted.warnings[0]


def test_labelme_leaves_out_what_has_no_area_and_says_so(tmp_path: Path) -> None:
    shapes = (shape("line", [[0, 0], [1, 1]]), shape("rectangle", [[1, 1], [1, 3]]))
    (tmp_path / "other.json").write_text("[]")
    converted = read_labelme(labelme(tmp_path, *shapes))
    assert converted.pictures[0].boxes == ()
    assert [warning.partition(" (first")[0] for warning in converted.warnings] == [
        "1 shapes of the kind line were left out",
        "1 JSON files are not Labelme's and were left out",
        "1 boxes without a positive width and height were left out",
    ]


def test_labelme_images_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    write_image(tmp_path / "photos/a.png", 4, 6)
    content = {"shapes": [], "imagePath": "..\\photos\\a.png"}
    (tmp_path / "json/a.json").write_text(json.dumps(content))
    converted = read_labelme(tmp_path / "json")
    assert converted.image_root == tmp_path / "photos"
    assert converted.pictures[0].file_name == "a.png"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (shape("polygon", SQUARE[:2]), "points of a polygon must be 3 or more pairs"),
        (shape("circle", [[1, 1], [1, None]]), "points of a circle must be 2 or more"),  # type: ignore[list-item]
        (shape("mask", [[0, 0], [1, 1]], mask="%"), "mask must be a PNG as base64"),
        ({"points": SQUARE}, "must have a label"),
        (shape("polygon", SQUARE, label="owl"), r"one of the categories cat, got 'owl'"),
    ],
)
def test_labelme_errors_name_file_and_shape(tmp_path: Path, record: Any, message: str) -> None:
    folder = labelme(tmp_path, shape("polygon", SQUARE), record)
    with pytest.raises(UserError, match=rf"a\.json: shape 1: .*{message}"):
        read_labelme(folder, categories=["cat"])


def test_labelme_image_of_another_size(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.png must be 60x40 pixels .*got 6x4"):
        read_labelme(labelme(tmp_path, imageHeight=40, imageWidth=60))


def test_labelme_image_that_is_missing(tmp_path: Path) -> None:
    (labelme(tmp_path) / "a.png").unlink()
    with pytest.raises(UserError, match=r"a\.json: no image 'a\.png'"):
        read_labelme(tmp_path)


def test_labelme_folder_without_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold one, found none in"):
        read_labelme(tmp_path)


# CVAT.

LABELS = "<meta><task><labels>{}</labels></task></meta>\n".format(
    "".join(f"<label><name>{name}</name></label>" for name in ("dog", "cat"))
)


def cvat(folder: Path, shapes: str, *, size: tuple[int, int] = (6, 4), meta: str = LABELS) -> Path:
    """A file about an image of 6 x 4 pixels, its shapes from line 4."""
    write_image(folder / "images/a.png", 4, 6)
    image = f'<image id="0" name="a.png" width="{size[0]}" height="{size[1]}">'
    path = folder / "annotations.xml"
    path.write_text(f"<annotations>\n{meta}{image}\n{shapes}</image>\n</annotations>")
    return path


def test_cvat_polygons_and_the_order_of_labels(tmp_path: Path) -> None:
    points = ";".join(f"{x}.0,{y}.0" for x, y in SQUARE)
    converted = read_cvat(cvat(tmp_path, f'<polygon label="cat" points="{points}"/>'))
    assert converted.categories == ("dog", "cat")
    assert only(converted).box == (1, 1, 2, 2)
    assert written(converted, tmp_path) == [
        [[0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    ]


def test_cvat_boxes(tmp_path: Path) -> None:
    converted = read_cvat(cvat(tmp_path, '<box label="cat" xtl="1" ytl="0" xbr="4" ybr="2"/>'))
    assert only(converted).box == (1, 0, 3, 2)
    assert np.sum(written(converted, tmp_path)) == 6


def test_cvat_boxes_are_turned_about_their_centre(tmp_path: Path) -> None:
    turned = '<box label="cat" xtl="1" ytl="1" xbr="5" ybr="3" rotation="90"/>'
    assert only(read_cvat(cvat(tmp_path, turned))).box == pytest.approx((2, 0, 2, 4))


def test_cvat_ellipses(tmp_path: Path) -> None:
    shape = '<ellipse label="cat" cx="3" cy="2" rx="2.5" ry="1"/>'
    assert only(read_cvat(cvat(tmp_path, shape))).box == pytest.approx((0.5, 1, 5, 2))


def test_cvat_masks_run_along_the_rows_of_their_box(tmp_path: Path) -> None:
    shape = '<mask label="cat" rle="1, 2, 2, 1" left="2" top="1" width="3" height="2"/>'
    converted = read_cvat(cvat(tmp_path, shape))
    assert only(converted).box == (3, 1, 2, 2)
    assert written(converted, tmp_path) == [
        [[0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]]
    ]
    annotation = json.loads((tmp_path / "out.json").read_text())["annotations"][0]
    assert annotation["area"] == 3


def test_cvat_masks_may_reach_outside(tmp_path: Path) -> None:
    shape = '<mask label="cat" rle="0,4" left="-1" top="3" width="2" height="2"/>'
    converted = read_cvat(cvat(tmp_path, shape))
    assert only(converted).box == (0, 3, 1, 1)
    assert "were clipped to it" in converted.warnings[0]


def test_cvat_leaves_out_what_has_no_area_and_says_so(tmp_path: Path) -> None:
    converted = read_cvat(cvat(tmp_path, '<polyline label="cat" points="0,0;1,1"/>'))
    assert converted.pictures[0].boxes == ()
    assert converted.warnings == (
        f"1 shapes of the kind polyline were left out (first: {tmp_path}/annotations.xml:4)",
    )


def test_cvat_without_declared_labels(tmp_path: Path) -> None:
    shapes = '<box label="b" xtl="1" ytl="0" xbr="4" ybr="2"/><box label="a" xtl="1" ytl="0" '
    path = cvat(tmp_path, shapes + 'xbr="4" ybr="2"/>', meta="\n")
    assert read_cvat(path).categories == ("a", "b")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<polygon label="cat" points="0,0;1,1"/>', "points must be three or more"),
        ('<polygon label="cat" points="0,0;1,x;2,2"/>', "points must be three or more"),
        ('<polygon points="0,0;1,1;2,2"/>', "must have the attribute label, got none"),
        ('<box label="cat" xtl="a" ytl="0" xbr="4" ybr="2"/>', "xtl must be a number, got 'a'"),
        ('<box label="owl" xtl="1" ytl="0" xbr="4" ybr="2"/>', "one of the categories dog, cat"),
        (
            '<mask label="cat" rle="1,2" left="0" top="0" width="2" height="2"/>',
            "sum up to width times height, 4, got '1,2'",
        ),
        (
            '<mask label="cat" rle="1000000000000" left="0" top="0" width="1000000"'
            ' height="1000000"/>',
            "a mask must be of 1 to 178956970 pixels",
        ),
        ('<polygon label="cat" points="nan,0;1,1;2,2"/>', "points must be three or more"),
        ('<box label="c&#10;t" xtl="1" ytl="0" xbr="4" ybr="2"/>', "one line of characters"),
    ],
)
def test_cvat_errors_name_file_and_line(tmp_path: Path, shape: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"annotations\.xml:4: .*{message}"):
        read_cvat(cvat(tmp_path, shape))


def test_a_mask_far_from_its_image_takes_no_memory(tmp_path: Path) -> None:
    shape = '<mask label="cat" rle="0,4" left="1000000000" top="3" width="2" height="2"/>'
    converted = read_cvat(cvat(tmp_path, shape))
    assert converted.pictures[0].boxes == ()
    assert converted.warnings[-1].startswith("1 masks without a pixel were left out")


def test_cvat_image_of_another_size(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"xml:3: .*a\.png must be 60x40 pixels .*got 6x4"):
        read_cvat(cvat(tmp_path, "", size=(60, 40)))


def test_cvat_image_that_is_missing(tmp_path: Path) -> None:
    path = cvat(tmp_path, "")
    with pytest.raises(UserError, match=r"xml:3: no image 'a\.png', tried .*elsewhere/a\.png"):
        read_cvat(path, images=tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><track/></annotations>", "got tracks of a video"),
        ("<annotation/>", "got <annotation> without images"),
        ("<annotations>", "not XML"),
    ],
)
def test_cvat_files_of_other_kinds(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_cvat(path)


def test_the_tool_converts_both(tmp_path: Path, tools: Tools) -> None:
    labelme(tmp_path, shape("polygon", SQUARE))
    cvat(tmp_path, '<box label="cat" xtl="1" ytl="0" xbr="4" ybr="2"/>')
    for kind, source in (("labelme", tmp_path), ("cvat", tmp_path / "annotations.xml")):
        out = tmp_path / "out" / f"{kind}.json"
        printed = tools("tools/convert_data.py", kind, str(source), str(out)).output
        assert "1 images, 0 of them without objects\n  1 objects" in printed
        assert out.is_file()
