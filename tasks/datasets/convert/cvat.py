"""Read CVAT for images 1.1 (one XML file for all images) as pictures with outlines.

Polygons, boxes, ellipses and masks are read.  A mask's run lengths go along the rows of its box and
start with the background.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.datasets.coco.masks import FARTHEST
from tasks.datasets.convert.outlines import ellipse, masked, outlined, rectangle
from tasks.datasets.convert.writing import (
    Converted,
    LabelledBox,
    Picture,
    Polygon,
    check_label,
    class_name,
    order_of,
)
from tasks.datasets.convert.xml_file import Element, parse_xml
from tasks.datasets.notes import Notes
from tasks.images import MOST_PIXELS, image_size

AREAS = ("polygon", "box", "ellipse", "mask")
OTHERS = ("polyline", "points", "cuboid", "skeleton", "tag")


@dataclass(frozen=True)
class _Task:
    """Values for reading the shapes of all images."""

    categories: tuple[str, ...]
    notes: Notes


def read_cvat(
    file: str | Path,
    *,
    images: str | Path | None = None,
    categories: Sequence[str] | None = None,
) -> Converted:
    """Read a file and the images that it names, in the folder `images` or beside it.

    Without `categories` they are the file's labels in their order. Raises UserError naming file and
    line.
    """
    path = Path(file)
    tree = parse_xml(path)
    elements = tree.find_all("image")
    if tree.tag != "annotations" or not elements:
        found = "tracks of a video" if tree.find("track") else f"<{tree.tag}> without images"
        raise UserError(
            f"{path}: must be an export as `CVAT for images 1.1`, got {found}; export it as that"
        )
    folder = path.parent if images is None else Path(images)
    files = [_image(element, folder) for element in elements]
    image_root = Path(os.path.commonpath([image.parent for image in files]))
    task = _Task(_categories(tree, elements, categories), Notes())
    pictures: list[Picture] = []
    for element, image in zip(elements, files, strict=True):
        name = image.relative_to(image_root).as_posix()
        pictures.append(_picture(element, image, name, task))
    return Converted(
        image_root=image_root,
        categories=task.categories,
        pictures=tuple(pictures),
        warnings=task.notes.lines(),
    )


def _categories(
    tree: Element, images: Sequence[Element], categories: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the given categories, or the labels that the file declares or uses."""
    if categories is not None:
        return tuple(categories)
    declared = [label for label in _all_below(tree.find("meta"), "label") if _is_class(label)]
    if declared:
        names = [class_name(label.value("name"), label.where) for label in declared]
        return tuple(dict.fromkeys(names))
    shapes: list[Element] = []
    for image in images:
        shapes += [shape for shape in image.children if shape.tag in AREAS]
    return order_of([_label(shape) for shape in shapes], None)


def _label(shape: Element) -> str:
    """The name of a shape's class."""
    return class_name(shape.attribute("label"), shape.where)


def _all_below(element: Element | None, tag: str) -> list[Element]:
    """All elements of a name, at any depth."""
    if element is None:
        return []
    found: list[Element] = []
    for child in element.children:
        found += [child] if child.tag == tag else _all_below(child, tag)
    return found


def _is_class(label: Element) -> bool:
    """Whether a label is not a point of a skeleton."""
    return label.find("parent") is None


def _image(element: Element, folder: Path) -> Path:
    """Find the file of an image; UserError listing the places that were tried."""
    name = element.attribute("name")
    subset = element.attributes.get("subset", "default")
    tried = [folder / name, folder / "images" / name, folder / "images" / subset / name]
    for path in tried:
        if path.is_file():
            return path
    raise UserError(
        f"{element.where}: no image {name!r}, tried {', '.join(map(str, tried))}; add it, or name"
        " the folder with --images"
    )


def _picture(element: Element, image: Path, name: str, task: _Task) -> Picture:
    size = image_size(image)
    height = element.attribute_number("height")
    width = element.attribute_number("width")
    if size[0] != height or size[1] != width:
        raise UserError(
            f"{element.where}: {image} must be {width:g}x{height:g} pixels (width x height) as its"
            f" shapes were drawn, got {size[1]}x{size[0]}; use the image that was annotated"
        )
    boxes: list[LabelledBox] = []
    for shape in element.children:
        if shape.tag not in AREAS:
            if shape.tag in OTHERS:
                task.notes.add(f"shapes of the kind {shape.tag} were left out", shape.where)
            continue
        box = _object(shape, size, task)
        if box is not None:
            boxes.append(box)
    return Picture(file_name=name, size=size, boxes=tuple(boxes))


def _object(shape: Element, size: tuple[int, int], task: _Task) -> LabelledBox | None:
    """Read an object; None, and a note, if it is left out."""
    label = _label(shape)
    check_label(label, task.categories, shape.where)
    if shape.tag == "mask":
        return _mask(label, shape, size, task.notes)
    return outlined(label, [_outline(shape)], size, shape.where, task.notes)


def _outline(shape: Element) -> Polygon:
    """Return the corners of a shape that is not a mask."""
    number = shape.attribute_number
    turn = number("rotation", 0)
    if shape.tag == "box":
        return rectangle(number("xtl"), number("ytl"), number("xbr"), number("ybr"), turn)
    if shape.tag == "ellipse":
        return ellipse(number("cx"), number("cy"), number("rx"), number("ry"), turn)
    text = shape.attribute("points")
    try:
        values = tuple(float(value) for value in text.replace(";", ",").split(","))
    except ValueError:
        values = ()
    near = all(abs(value) <= FARTHEST for value in values)
    if len(values) < 6 or len(values) % 2 or not near:
        raise UserError(
            f"{shape.where}: points must be three or more, as x,y;x,y;x,y, got {text[:60]!r};"
            " correct the file"
        )
    return values


def _mask(label: str, shape: Element, size: tuple[int, int], notes: Notes) -> LabelledBox | None:
    """Make the object of a mask's run lengths."""
    box = [int(shape.attribute_number(name)) for name in ("left", "top", "width", "height")]
    left, top, width, height = box
    text = shape.attribute("rle")
    try:
        runs = [int(value) for value in text.split(",")]
    except ValueError:
        runs = []
    if min(width, height) < 1 or width * height > MOST_PIXELS:
        raise UserError(
            f"{shape.where}: a mask must be of 1 to {MOST_PIXELS} pixels, got {width}x{height};"
            " correct the file"
        )
    if not runs or min(runs) < 0 or sum(runs) != width * height:
        raise UserError(
            f"{shape.where}: rle must be whole numbers that sum up to width times height,"
            f" {width * height}, got {text[:60]!r}; correct the file"
        )
    part = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return masked(label, part, (left, top), size, shape.where, notes)
