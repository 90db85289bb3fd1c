"""Ultralytics' data.yaml trees as pictures with boxes: images/… beside labels/…, a file an image.

A row is `class cx cy w h` or, as an outline, `class x y x y x y …`, all but the class over the
image's width or height. What rounding puts outside the image, by up to a hundredth of its side, is
clipped.  `where` is a file and line.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from resnet_backbones.errors import UserError
from tasks.datasets.convert.writing import (
    Converted,
    LabelledBox,
    Picture,
    Polygon,
    box_of_corners,
)
from tasks.datasets.notes import Notes
from tasks.datasets.text_files import read_text
from tasks.images import SUFFIXES, find_images, image_size

_TOLERANCE = 0.01  # of the image's side; Ultralytics allows as much


def read_yolo(data: str | Path, *, split: str = "train") -> Converted:
    """Read a split of a data.yaml, or of the folder that holds one.

    An image without a label file has no objects. Category ids are the file's class numbers plus 1.
    Raises UserError naming file and line.
    """
    path = _data_file(Path(data))
    content = _read_yaml(path)
    names = _names(content, path)
    files = _image_files(content, path, split)
    image_root = Path(os.path.commonpath([file.parent for file in files]))
    notes = Notes()
    pictures = tuple(_picture(file, image_root, names, notes) for file in files)
    if not any(_label_file(file).is_file() for file in files):
        raise UserError(
            f"labels lie beside images/ in labels/, found none of {len(files)}; looked for"
            f" {_label_file(files[0])}"
        )
    return Converted(
        image_root=image_root, categories=names, pictures=pictures, warnings=notes.lines()
    )


def _data_file(path: Path) -> Path:
    """The YAML file, which may be given by its folder."""
    if not path.is_dir():
        return path
    files = sorted((*path.glob("*.yaml"), *path.glob("*.yml")))
    if len(files) != 1:
        present = ", ".join(file.name for file in files) or "none"
        raise UserError(
            f"a YOLO folder must hold one YAML file, {path} holds {present}; give the file itself"
        )
    return files[0]


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"data.yaml must be a YAML file, cannot read {path}: {error}") from error
    if not isinstance(content, Mapping):
        raise UserError(
            f"{path} must hold names and the splits' folders, got {type(content).__name__}"
        )
    return content


def _names(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names of the classes in the order of their numbers."""
    names = content.get("names")
    if isinstance(names, Mapping):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise UserError(
                f"{path}: names must be numbered 0..{len(names) - 1}, got"
                f" {', '.join(map(str, names))}"
            )
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"{path}: names must be a list, or pairs of number and name, got {names!r}")
    texts = tuple(str(name) for name in names)
    if len(set(texts)) != len(texts):
        raise UserError(
            f"{path}: names must differ, got {', '.join(texts)}; rename the second of each"
        )
    if content.get("nc", len(texts)) != len(texts):
        raise UserError(
            f"{path}: nc must be the number of names, got nc {content['nc']} and {len(texts)} names"
        )
    return texts


def _image_files(content: Mapping[str, Any], path: Path, split: str) -> list[Path]:
    """Images of a split, which is a folder, a text file that lists images, or several of these."""
    sources = content.get(split) or (content.get("valid") if split == "val" else None)
    if not sources:
        present = ", ".join(name for name in ("train", "val", "test") if content.get(name))
        raise UserError(
            f"{path} must name the images of the split {split}, it names {present or 'none'}; see"
            " --split"
        )
    root = path.parent / str(content.get("path") or "")
    if not root.is_dir():  # Ultralytics counts `path` from a settings folder of its own
        root = path.parent
    files: list[Path] = []
    for source in sources if isinstance(sources, list) else [sources]:
        images = _existing(root, str(source), path)
        files += find_images(images) if images.is_dir() else _listed(images)
    if any(file.is_absolute() for file in files):
        files = [Path(os.path.normpath(Path.cwd() / file)) for file in files]
    return sorted(set(files))


def _existing(root: Path, source: str, path: Path) -> Path:
    """Where a split's source lies; exports by Roboflow say ../train/images for train/images."""
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


def _picture(image: Path, image_root: Path, names: Sequence[str], notes: Notes) -> Picture:
    size = image_size(image)
    labels = _label_file(image)
    if labels.is_file():
        boxes = _boxes(labels, size, names, notes)
    else:
        notes.add("images have no label file, and so no objects", str(image))
        boxes = []
    file_name = image.relative_to(image_root).as_posix()
    return Picture(file_name=file_name, size=size, boxes=tuple(boxes))


def _boxes(
    labels: Path, size: tuple[int, int], names: Sequence[str], notes: Notes
) -> list[LabelledBox]:
    """The boxes of a label file."""
    lines = read_text(labels, "a label file").splitlines()
    boxes: list[LabelledBox] = []
    for number, line in enumerate(lines, start=1):
        values = line.split()
        box = _box(values, size, names, f"{labels}:{number}", notes) if values else None
        if box is not None:
            boxes.append(box)
    return boxes


def _box(
    values: Sequence[str], size: tuple[int, int], names: Sequence[str], where: str, notes: Notes
) -> LabelledBox | None:
    """The box of a row; None, and a note, where it has no area."""
    label = _label(values[0], names, where)
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
    box = box_of_corners(_to_pixels(corners, size), 0, where, notes)
    return None if box is None else LabelledBox(label=label, box=box, polygons=polygons)


def _label(text: str, names: Sequence[str], where: str) -> str:
    """The name of a class number, which may be written as 3 or 3.0."""
    number = -1
    if text.isdecimal():
        number = int(text)
    elif text.removesuffix(".0").isdecimal():
        number = int(float(text))
    if not 0 <= number < len(names):
        raise UserError(
            f"{where}: a row starts with a class number 0..{len(names) - 1}, got {text!r};"
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
