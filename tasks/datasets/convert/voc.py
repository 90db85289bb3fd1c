"""Read Pascal VOC folders (one XML file an image) as pictures with boxes.

VOC's corners are pixels counted from 1, and both belong to the box (VOC development kit): xmin 1,
xmax 3 is three pixels wide and starts at the image's border, COCO's x 0, width 3. Files whose tool
wrote plain points need origin 0. VOC's scoring ignores objects marked difficult; they become
crowds, which COCO's scoring ignores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError
from tasks.datasets.convert.writing import (
    Converted,
    LabelledBox,
    Origin,
    Picture,
    box_of_corners,
    check_label,
    check_units,
    class_name,
    images_by_stem,
    on_image,
    order_of,
    visible_files,
)
from tasks.datasets.convert.xml_file import Element, parse_xml
from tasks.datasets.notes import Notes
from tasks.datasets.text_files import read_text
from tasks.images import image_size

Difficult = Literal["ignore", "keep", "drop"]


@dataclass(frozen=True)
class _Rules:
    """Values for turning an XML file into a picture."""

    image_root: Path
    categories: tuple[str, ...]
    origin: Origin
    difficult: Difficult


def read_voc(
    folder: str | Path,
    *,
    split: str | None = None,
    images: str | Path | None = None,
    categories: Sequence[str] | None = None,
    origin: Origin = 1,
    difficult: Difficult = "ignore",
) -> Converted:
    """Read a split of a folder with Annotations/, JPEGImages/ and ImageSets/Main/.

    A folder with XML files and images beside each other is read too. Without `categories` they are
    the sorted names of all annotation files, so that ids agree between the splits. Raises UserError
    naming file and line.
    """
    root = Path(folder)
    files = _annotation_files(root)
    wanted = _stems(root, split, files)
    read = sorted(files) if categories is None else wanted
    parsed = {stem: parse_xml(files[stem]) for stem in read}
    names: list[str] = []
    for tree in parsed.values():
        names += [_label(element) for element in tree.find_all("object")]
    image_root = Path(images) if images is not None else _image_folder(root)
    rules = _Rules(image_root, order_of(names, categories), origin, difficult)
    by_stem = images_by_stem(image_root)
    notes = Notes()
    pictures: list[Picture] = []
    for stem in wanted:
        image = _image(stem, parsed[stem], by_stem, image_root)
        pictures.append(_picture(parsed[stem], image, rules, notes))
    check_units(root, pictures)
    return Converted(
        image_root=image_root,
        categories=rules.categories,
        pictures=tuple(pictures),
        warnings=notes.lines(),
    )


def _annotation_files(root: Path) -> dict[str, Path]:
    """The XML files by their path in their folder without suffix."""
    folders = [path for path in (root / "Annotations", root) if path.is_dir()]
    if not folders:
        raise UserError(f"a VOC folder must exist, found none at {root}; check the path")
    files: dict[str, Path] = {}
    for path in visible_files(folders[0], "*.xml"):
        files[path.relative_to(folders[0]).with_suffix("").as_posix()] = path
    if not files:
        raise UserError(f"a VOC folder holds XML files, found none in {folders[0]}; check the path")
    return files


def _image_folder(root: Path) -> Path:
    return next((path for path in (root / "JPEGImages", root / "images") if path.is_dir()), root)


def _stems(root: Path, split: str | None, files: dict[str, Path]) -> list[str]:
    """Names of the images of a split, in the order of the annotation files' names."""
    lists = {path.stem: path for path in sorted((root / "ImageSets" / "Main").glob("*.txt"))}
    if split == "all" or (split is None and not lists):
        return sorted(files)
    if split is None or split not in lists:
        present = f"{root} has {', '.join(lists) or 'no ImageSets/Main'}"
        raise UserError(f"--split must be all or a list of ImageSets/Main, got {split}; {present}")
    stems: set[str] = set()
    lines = read_text(lists[split], "a list of ImageSets/Main").splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if words[0] not in files:
            raise UserError(
                f"{lists[split]}:{number}: no annotation file {words[0]}.xml; add it or remove the"
                " line"
            )
        stems.add(words[0])
    return sorted(stems)


def _image(stem: str, tree: Element, by_stem: dict[str, list[Path]], image_root: Path) -> Path:
    """Find the image of an annotation file: of the same name, or the one that the file names."""
    named = tree.find("filename")
    name = named.text.strip() if named is not None else ""
    candidates = by_stem.get(stem, [])
    if candidates:
        return next((path for path in candidates if path.name == name), candidates[0])
    if name and (image_root / name).is_file():
        return image_root / name
    raise UserError(
        f"{tree.where}: no image {stem} or {name!r} in {image_root}; add it, or name the folder"
        " with --images"
    )


def _picture(tree: Element, image: Path, rules: _Rules, notes: Notes) -> Picture:
    """Read the image's size from its file; note a different size in the XML."""
    size = image_size(image)
    stated = tree.find("size")
    if stated is not None and (stated.number("height"), stated.number("width")) != size:
        kind = "annotation files state a size that their image does not have; the image's was taken"
        notes.add(kind, f"{stated.where}, {image.name} is {size[1]}x{size[0]}")
    boxes: list[LabelledBox] = []
    for element in tree.find_all("object"):
        box = _object(element, rules, notes)
        if box is not None and on_image(box, size, element.where, notes):
            boxes.append(box)
    file_name = image.relative_to(rules.image_root).as_posix()
    return Picture(file_name=file_name, size=size, boxes=tuple(boxes))


def _label(element: Element) -> str:
    """The name of an object's class."""
    return class_name(element.value("name"), element.where)


def _object(element: Element, rules: _Rules, notes: Notes) -> LabelledBox | None:
    """Read an object's box; None, and a note, if it is left out."""
    label = _label(element)
    check_label(label, rules.categories, element.where)
    bounds = element.find("bndbox")
    if bounds is None:
        raise UserError(
            f"{element.where}: an <object> must hold a <bndbox>, got none; add it or remove the"
            " object"
        )
    mark = element.find("difficult")
    is_difficult = mark is not None and mark.text.strip() not in ("", "0")
    if is_difficult and rules.difficult == "drop":
        notes.add("objects marked difficult were left out", element.where)
        return None
    corners = [bounds.number(tag) for tag in ("xmin", "ymin", "xmax", "ymax")]
    box = box_of_corners(corners, rules.origin, bounds.where, notes)
    crowd = is_difficult and rules.difficult == "ignore"
    return None if box is None else LabelledBox(label=label, box=box, crowd=crowd)
