"""Ultralytics' data.yaml trees (images/… beside labels/…, one text file an image) as pictures with
boxes.

A row is `class cx cy w h` or, as an outline, `class x y x y x y …`, all but the class over the
image's width or height. What rounding puts outside the image, by up to a hundredth of its side, is
clipped.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from resnet_backbones.errors import UserError
from tasks.datasets.convert.writing import Box, Converted, Picture, box_of_corners
from tasks.datasets.notes import Notes
from tasks.images import SUFFIXES, find_images, image_size

_TOLERANCE = 0.01  # of the image's side; Ultralytics allows as much


def read_yolo(data: str | Path, *, split: str = "train") -> Converted:
    """A split of a data.yaml, or of the folder that holds one; an image without a label file has no
    objects.

    Category ids are the file's class numbers plus 1. Raises UserError naming file and line.
    """
    path = _data_file(Path(data))
    content = _read_yaml(path)
    names, files = _names(content, path), _image_files(content, path, split)
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
    if not path.is_dir():
        return path
    files = sorted((*path.glob("*.yaml"), *path.glob("*.yml")))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise UserError(
            f"a YOLO folder must hold one YAML file, {path} holds {found}; give the file itself"
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
        others = ", ".join(name for name in ("train", "val", "test") if content.get(name))
        raise UserError(
            f"{path} must name the images of the split {split}, it names {others or 'none'}; see"
            " --split"
        )
    root = path.parent / str(content.get("path") or "")
    root = (
        root if root.is_dir() else path.parent
    )  # Ultralytics counts `path` from a settings folder of its own
    files: list[Path] = []
    for source in sources if isinstance(sources, list) else [sources]:
        place = _existing(root, str(source), path)
        files += find_images(place) if place.is_dir() else _listed(place)
    return sorted(set(files))


def _existing(root: Path, source: str, path: Path) -> Path:
    """Where a split's source lies; exports by Roboflow say ../train/images for train/images."""
    tried = [root / source, root / source.removeprefix("../")]
    found = next((place for place in tried if place.exists()), None)
    if found is None:
        raise UserError(
            f"{path}: {source} must exist, tried {', '.join(map(str, tried))}; mend the path"
        )
    return Path(os.path.normpath(found))


def _listed(file: Path) -> list[Path]:
    """Images that a text file names, relative to its own folder."""
    lines = file.read_text().splitlines()
    named = [
        (number, Path(os.path.normpath(file.parent / line.strip())))
        for number, line in enumerate(lines, start=1)
    ]
    images = [(number, image) for number, image in named if lines[number - 1].strip()]
    for number, image in images:
        if image.suffix.lower() not in SUFFIXES or not image.is_file():
            raise UserError(f"{file}:{number}: no image {image}; mend the list")
    if not images:
        raise UserError(f"{file} must list images, got none")
    return [image for _, image in images]


def _label_file(image: Path) -> Path:
    """Ultralytics' rule: the last folder called images becomes labels."""
    parts = list(image.with_suffix(".txt").parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts)


def _picture(image: Path, image_root: Path, names: Sequence[str], notes: Notes) -> Picture:
    size, labels = image_size(image), _label_file(image)
    if not labels.is_file():
        notes.add("images have no label file, and so no objects", str(image))
    try:
        lines = labels.read_text().splitlines() if labels.is_file() else []
    except UnicodeDecodeError as error:
        raise UserError(f"a label file must be text, cannot read {labels}: {error}") from error
    rows = [(f"{labels}:{number}", line.split()) for number, line in enumerate(lines, start=1)]
    found = [_box(values, size, names, place, notes) for place, values in rows if values]
    boxes = tuple(box for box in found if box is not None)
    return Picture(file_name=image.relative_to(image_root).as_posix(), size=size, boxes=boxes)


def _box(
    values: Sequence[str], size: tuple[int, int], names: Sequence[str], place: str, notes: Notes
) -> Box | None:
    label, numbers = _label(values[0], names, place), _numbers(values[1:], place)
    height, width = size
    outline: tuple[float, ...] = ()
    if len(numbers) == 4:
        x, y, w, h = numbers
        corners = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        corners = [min(numbers[0::2]), min(numbers[1::2]), max(numbers[0::2]), max(numbers[1::2])]
        outline = tuple(
            _clipped(n, width if at % 2 == 0 else height) for at, n in enumerate(numbers)
        )
    else:
        raise UserError(
            f"{place}: a row is class cx cy w h, or class x y x y x y …, got {len(values)} values"
        )
    x1, y1, x2, y2 = (_clipped(n, width if at % 2 == 0 else height) for at, n in enumerate(corners))
    box = box_of_corners((x1, y1, x2, y2), 0, place, notes)
    return None if box is None else Box(label=label, box=box, polygon=outline)


def _label(text: str, names: Sequence[str], place: str) -> str:
    number = int(text) if text.isdecimal() else -1
    number = int(float(text)) if number < 0 and text.removesuffix(".0").isdecimal() else number
    if not 0 <= number < len(names):
        raise UserError(
            f"{place}: a row starts with a class number 0..{len(names) - 1}, got {text!r}; mend it"
        )
    return names[number]


def _numbers(texts: Sequence[str], place: str) -> list[float]:
    try:
        numbers = [float(text) for text in texts]
    except ValueError as error:
        raise UserError(
            f"{place}: a row holds numbers only, got {' '.join(texts)[:60]!r}; mend it"
        ) from error
    wrong = [number for number in numbers if not -_TOLERANCE <= number <= 1 + _TOLERANCE]
    if wrong:
        raise UserError(
            f"{place}: coordinates are fractions of the image's width or height, in [0, 1], got"
            f" {wrong[0]}; divide them"
        )
    return numbers


def _clipped(fraction: float, side: int) -> float:
    """A fraction of a side in pixels, to a millionth, so that 0.5 + 0.1 / 2 times 640 is 352."""
    return round(min(max(fraction, 0.0), 1.0) * side, 6)
