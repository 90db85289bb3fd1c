"""Pascal VOC folders (one XML file an image) as pictures with boxes.

VOC's corners are pixels counted from 1, and both belong to the box (VOC development kit): xmin 1,
xmax 3 is three pixels wide and starts at the image's border, COCO's x 0, width 3. Files whose tool
wrote plain points want origin 0. Objects marked difficult, which VOC's scoring passes over, become
crowds, which COCO's passes over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.parsers import expat

from resnet_backbones.errors import UserError
from tasks.datasets.convert.writing import (
    Box,
    Converted,
    Origin,
    Picture,
    box_of_corners,
    check_label,
    images_by_stem,
    order_of,
)
from tasks.datasets.notes import Notes
from tasks.images import image_size

Difficult = Literal["ignore", "keep", "drop"]


@dataclass
class Element:
    """An XML element that knows its line."""

    tag: str
    place: str  # file:line
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, tag: str) -> "Element | None":
        """The first child of a name."""
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str) -> str:
        """Text of the first child of a name; UserError where there is none."""
        child = self.find(tag)
        if child is None or not child.text.strip():
            raise UserError(
                f"{self.place}: <{self.tag}> must hold a <{tag}>, got none; add it or remove the"
                " object"
            )
        return child.text.strip()

    def number(self, tag: str) -> float:
        """Number in the first child of a name."""
        text = self.value(tag)
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not abs(number) < float("inf"):
            raise UserError(f"{self.place}: <{tag}> must be a number, got {text!r}; mend the file")
        return number


def read_voc(
    folder: str | Path,
    *,
    split: str | None = None,
    images: str | Path | None = None,
    categories: Sequence[str] | None = None,
    origin: Origin = 1,
    difficult: Difficult = "ignore",
) -> Converted:
    """A split of a folder with Annotations/, JPEGImages/ and ImageSets/Main/, or of one with XML
    files and images.

    Without `categories` they are the sorted names of all annotation files, so that ids agree
    between the splits. Raises UserError naming file and line.
    """
    root = Path(folder)
    annotations = next((path for path in (root / "Annotations", root) if path.is_dir()), None)
    if annotations is None:
        raise UserError(f"a VOC folder must exist, found none at {root}; check the path")
    image_root = Path(images) if images is not None else _image_folder(root)
    files = {
        path.relative_to(annotations).with_suffix("").as_posix(): path
        for path in annotations.rglob("*.xml")
    }
    if not files:
        raise UserError(
            f"a VOC folder holds XML files, found none in {annotations}; check the path"
        )
    wanted = _stems(root, split, files)
    parsed = {
        stem: parse_xml(files[stem]) for stem in (sorted(files) if categories is None else wanted)
    }
    objects = (
        child for tree in parsed.values() for child in tree.children if child.tag == "object"
    )
    ordered = order_of((one.value("name") for one in objects), categories)
    notes, found = Notes(), images_by_stem(image_root)
    pictures = [
        _picture(
            parsed[stem],
            _image(stem, parsed[stem], found, image_root),
            image_root,
            ordered,
            origin,
            difficult,
            notes,
        )
        for stem in wanted
    ]
    return Converted(
        image_root=image_root, categories=ordered, pictures=tuple(pictures), warnings=notes.lines()
    )


def parse_xml(path: Path) -> Element:
    """Root element of a file; UserError naming the line that is no XML."""
    top = Element("", str(path))
    stack = [top]
    parser = expat.ParserCreate()

    def start(tag: str, _attributes: dict[str, str]) -> None:
        stack[-1].children.append(Element(tag, f"{path}:{parser.CurrentLineNumber}"))
        stack.append(stack[-1].children[-1])

    def text(characters: str) -> None:
        stack[-1].text += characters

    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _tag: stack.pop()
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise UserError(
            f"{path}:{error.lineno}: not XML: {expat.ErrorString(error.code)}; mend the file"
        ) from error
    return top.children[0]


def _image_folder(root: Path) -> Path:
    return next((path for path in (root / "JPEGImages", root / "images") if path.is_dir()), root)


def _stems(root: Path, split: str | None, files: dict[str, Path]) -> list[str]:
    """Names of the images of a split, in the order of the annotation files' names."""
    lists = {path.stem: path for path in sorted((root / "ImageSets" / "Main").glob("*.txt"))}
    if split == "all" or (split is None and not lists):
        return sorted(files)
    if split is None or split not in lists:
        has = f"{root} has {', '.join(lists) or 'no ImageSets/Main'}"
        raise UserError(f"--split must be all or a list of ImageSets/Main, got {split}; {has}")
    lines = [line.split() for line in lists[split].read_text().splitlines()]
    for number, words in enumerate(lines, start=1):
        if words and words[0] not in files:
            raise UserError(
                f"{lists[split]}:{number}: no annotation file {words[0]}.xml; add it or remove the"
                " line"
            )
    return sorted({words[0] for words in lines if words})


def _image(stem: str, tree: Element, found: dict[str, list[Path]], image_root: Path) -> Path:
    """The image of an annotation file: of the same name, else the one that the file names."""
    named = tree.find("filename")
    name = named.text.strip() if named is not None else ""
    candidates = found.get(stem, [])
    if candidates:
        return next((path for path in candidates if path.name == name), candidates[0])
    if name and (image_root / name).is_file():
        return image_root / name
    raise UserError(
        f"{tree.place}: no image {stem} or {name!r} in {image_root}; add it, or name the folder"
        " with --images"
    )


def _picture(
    tree: Element,
    image: Path,
    image_root: Path,
    categories: Sequence[str],
    origin: Origin,
    difficult: Difficult,
    notes: Notes,
) -> Picture:
    """The image's size is that of its file; another one in the XML is noted."""
    size, stated = image_size(image), tree.find("size")
    if stated is not None and (stated.number("height"), stated.number("width")) != size:
        note = "annotation files state another size than their image has, which was taken instead"
        notes.add(note, f"{stated.place}, {image.name} is {size[1]}x{size[0]}")
    boxes = [
        box
        for child in tree.children
        if child.tag == "object"
        if (box := _object(child, categories, origin, difficult, notes)) is not None
    ]
    return Picture(
        file_name=image.relative_to(image_root).as_posix(), size=size, boxes=tuple(boxes)
    )


def _object(
    element: Element, categories: Sequence[str], origin: Origin, difficult: Difficult, notes: Notes
) -> Box | None:
    label, bounds, mark = element.value("name"), element.find("bndbox"), element.find("difficult")
    check_label(label, categories, element.place)
    if bounds is None:
        raise UserError(
            f"{element.place}: an <object> must hold a <bndbox>, got none; add it or remove the"
            " object"
        )
    hard = mark is not None and mark.text.strip() not in ("", "0")
    if hard and difficult == "drop":
        notes.add("objects marked difficult were left out", element.place)
        return None
    corners = [bounds.number(tag) for tag in ("xmin", "ymin", "xmax", "ymax")]
    box = box_of_corners(corners, origin, bounds.place, notes)
    return None if box is None else Box(label=label, box=box, crowd=hard and difficult == "ignore")
