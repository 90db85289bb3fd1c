"""Ultralytics' data.yaml trees as pictures with boxes: images/… beside labels/…, a file an image.

A row is `class cx cy w h` or, as an outline, `class x y x y x y …`, with coordinates divided by the
image's width or height. Points that rounding puts outside the image, by up to a hundredth of its
side, are clipped; key points are left out.  `where` is a file and line.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.datasets.convert.writing import (
    Converted,
    LabelledBox,
    Picture,
    Polygon,
    box_of_corners,
)
from tasks.datasets.convert.yolo_settings import (
    class_names,
    count_key_points,
    find_settings,
    given,
    read_settings,
)
from tasks.datasets.notes import Notes
from tasks.datasets.text_files import read_text
from tasks.images import SUFFIXES, find_images, image_size, is_hidden

_TOLERANCE = 0.01  # of the image's side; Ultralytics allows as much


def read_yolo(data: str | Path, *, split: str = "train") -> Converted:
    """Read a split of a data.yaml, or of the folder that holds one.

    An image without a label file has no objects. Category ids are the file's class numbers plus 1.
    Raises UserError naming file and line.
    """
    path = find_settings(Path(data))
    content = read_settings(path)
    names = class_names(content, path)
    key_points = count_key_points(content, path)
    files = _image_files(content, path, split)
    image_root = Path(os.path.commonpath([file.parent for file in files]))
    notes = Notes()
    rows = _Rows(names, key_points, notes)
    pictures = tuple(_picture(file, image_root, rows) for file in files)
    if not any(_label_file(file).is_file() for file in files):
        raise UserError(
            f"labels lie beside images/ in labels/, found none of {len(files)}; looked for"
            f" {_label_file(files[0])}"
        )
    _note_left_over(files, notes)
    return Converted(
        image_root=image_root, categories=names, pictures=pictures, warnings=notes.lines()
    )


def _image_files(content: Mapping[str, Any], path: Path, split: str) -> list[Path]:
    """Images of a split, which is a folder, a text file that lists images, or several of these."""
    sources = given(content, split) or (given(content, "valid") if split == "val" else None)
    if not sources:
        present = ", ".join(name for name in ("train", "val", "test") if given(content, name))
        raise UserError(
            f"{path} must name the images of the split {split}, it names {present or 'none'}; see"
            " --split"
        )
    root = path.parent / Path(str(given(content, "path") or "")).expanduser()
    if not root.is_dir():  # Ultralytics counts `path` from a settings folder of its own
        root = path.parent
    files: list[Path] = []
    for source in sources if isinstance(sources, list) else [sources]:
        images = _existing(root, str(source)[:4096], path)
        way_out = f"correct {split} in {path}"
        files += find_images(images, way_out) if images.is_dir() else _listed(images)
    if any(file.is_absolute() for file in files):
        files = [Path(os.path.normpath(Path.cwd() / file)) for file in files]
    return sorted(set(files))


def _existing(root: Path, source: str, path: Path) -> Path:
    """Find a split's source; exports by Roboflow write ../train/images for train/images."""
    tried = [root / source, root / source.removeprefix("../")]
    present = [candidate for candidate in tried if candidate.exists()]
    if not present:
        raise UserError(
            f"{path}: {source} must exist, tried {', '.join(map(str, tried))}; correct the path"
        )
    return Path(os.path.normpath(present[0]))


def _listed(file: Path) -> list[Path]:
    """Images that a text file names, relative to its own folder."""
    images: list[Path] = []
    for number, line in enumerate(read_text(file, "a list of images").splitlines(), start=1):
        if not line.strip():
            continue
        image = Path(os.path.normpath(file.parent / line.strip()))
        if image.suffix.lower() not in SUFFIXES or not image.is_file():
            raise UserError(f"{file}:{number}: no image {image}; correct the list")
        images.append(image)
    if not images:
        raise UserError(f"{file} must list images, got none")
    return images


def _label_file(image: Path) -> Path:
    """Ultralytics' rule: the last folder called images becomes labels."""
    parts = list(image.with_suffix(".txt").parts)
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        parts[last] = "labels"
    return Path(*parts)


def _note_left_over(images: Sequence[Path], notes: Notes) -> None:
    """Note label files without an image, and files beside the images that are not images."""
    labelled = {_label_file(image) for image in images}
    for folder in sorted({label.parent for label in labelled}):
        for file in sorted(folder.glob("*.txt")):
            if file not in labelled and not is_hidden(file.name) and file.name != "classes.txt":
                notes.add("label files have no image of their name and were left out", file)
    for folder in sorted({image.parent for image in images}):
        for file in sorted(folder.iterdir()):
            suffix = file.suffix.lower()
            if file.is_file() and suffix not in (*SUFFIXES, ".txt") and not is_hidden(file.name):
                kind = f"files ending in {suffix}" if suffix else "files without an ending"
                notes.add(f"{kind} are not readable images and were left out", file)


@dataclass(frozen=True)
class _Rows:
    """The meaning of the rows of label files."""

    names: Sequence[str]
    key_points: int
    """Numbers of key points after each box."""
    notes: Notes


def _picture(image: Path, image_root: Path, rows: _Rows) -> Picture:
    size = image_size(image)
    labels = _label_file(image)
    notes = rows.notes
    if labels.is_file():
        boxes = _boxes(labels, size, rows)
    else:
        notes.add("images have no label file, and so no objects", str(image))
        boxes = []
    file_name = image.relative_to(image_root).as_posix()
    return Picture(file_name=file_name, size=size, boxes=tuple(boxes))


def _boxes(labels: Path, size: tuple[int, int], rows: _Rows) -> list[LabelledBox]:
    """The boxes of a label file."""
    lines = read_text(labels, "a label file").splitlines()
    boxes: list[LabelledBox] = []
    for number, line in enumerate(lines, start=1):
        values = line.split()
        box = _box(values, size, rows, f"{labels}:{number}") if values else None
        if box is not None:
            boxes.append(box)
    return boxes


def _box(
    values: Sequence[str], size: tuple[int, int], rows: _Rows, where: str
) -> LabelledBox | None:
    """Read the box of a row; None, and a note, if it has no area."""
    label = _label(values[0], rows.names, where)
    if rows.key_points:
        values = _without_key_points(values, rows, where)
    numbers = _numbers(values[1:], where)
    polygons: tuple[Polygon, ...] = ()
    if len(numbers) == 4:
        x, y, w, h = numbers
        corners = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs = numbers[0::2]
        ys = numbers[1::2]
        corners = [min(xs), min(ys), max(xs), max(ys)]
        polygons = (tuple(_to_pixels(numbers, size)),)
    else:
        raise UserError(
            f"{where}: a row is class cx cy w h, or class x y x y x y …, got {len(values)} values"
        )
    box = box_of_corners(_to_pixels(corners, size), 0, where, rows.notes)
    return None if box is None else LabelledBox(label=label, box=box, polygons=polygons)


def _without_key_points(values: Sequence[str], rows: _Rows, where: str) -> Sequence[str]:
    """Return the class and the box of a row, and note that its key points are left out."""
    if len(values) == 5 + rows.key_points:
        rows.notes.add("rows have key points, which were left out", where)
    elif len(values) != 5:
        raise UserError(
            f"{where}: a row is class cx cy w h and {rows.key_points} numbers of key points, as"
            f" kpt_shape says, got {len(values)} values; correct one of the two"
        )
    return values[:5]


def _label(text: str, names: Sequence[str], where: str) -> str:
    """The name of a class number, which may be written as 3 or 3.0."""
    number = -1
    digits = text.removesuffix(".0")
    if digits.isdecimal() and len(digits) < 10:
        number = int(digits)
    if not 0 <= number < len(names):
        raise UserError(
            f"{where}: a row starts with a class number 0..{len(names) - 1}, got {text[:60]!r};"
            " correct it"
        )
    return names[number]


def _numbers(texts: Sequence[str], where: str) -> list[float]:
    """Coordinates as fractions of the image's sides."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError as error:
        raise UserError(
            f"{where}: a row holds numbers only, got {' '.join(texts)[:60]!r}; correct it"
        ) from error
    wrong = [number for number in numbers if not -_TOLERANCE <= number <= 1 + _TOLERANCE]
    if wrong:
        raise UserError(
            f"{where}: coordinates are fractions of the image's width or height, in [0, 1], got"
            f" {wrong[0]}; divide them"
        )
    return numbers


def _to_pixels(fractions: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Fractions x, y, x, y, … in pixels, clipped to the image.

    They are rounded to a millionth, so that 0.5 + 0.1 / 2 times 640 is 352.
    """
    height, width = size
    pixels: list[float] = []
    for index, fraction in enumerate(fractions):
        side = width if index % 2 == 0 else height
        pixels.append(round(min(max(fraction, 0.0), 1.0) * side, 6))
    return pixels
