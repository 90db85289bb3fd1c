"""What the pages' commands find where they stand: the built-in shapes under the names they use."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import torch
from PIL import Image

SPLITS = {"train": "trainval", "val": "test"}
"""Our splits, and the lists of the Pascal VOC folder that stand for them."""


def read_split(shapes: Path, split: str) -> dict[str, list[dict[str, object]]]:
    """The COCO JSON of a split of shapes."""
    path = shapes / "annotations" / f"instances_{split}.json"
    found: dict[str, list[dict[str, object]]] = json.loads(path.read_text())
    return found


def write_voc(shapes: Path, folder: Path) -> None:
    """Shapes as a Pascal VOC folder with the lists trainval and test."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for split, name in SPLITS.items():
        data = read_split(shapes, split)
        stems = [_write_voc_image(shapes / split, data, image, folder) for image in data["images"]]
        (folder / "ImageSets/Main" / f"{name}.txt").write_text("\n".join(stems) + "\n")


def _write_voc_image(
    images: Path,
    data: dict[str, list[dict[str, object]]],
    image: dict[str, object],
    folder: Path,
) -> str:
    source = images / str(image["file_name"])
    stem = f"{images.name}_{source.stem}"
    Image.open(source).convert("RGB").save(folder / "JPEGImages" / f"{stem}.jpg", quality=95)
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = f"{stem}.jpg"
    size = ElementTree.SubElement(root, "size")
    for side in ("width", "height"):
        ElementTree.SubElement(size, side).text = str(image[side])
    names = {category["id"]: str(category["name"]) for category in data["categories"]}
    for record in data["annotations"]:
        if record["image_id"] == image["id"]:
            _add_voc_object(root, names[record["category_id"]], record["bbox"])
    ElementTree.ElementTree(root).write(folder / "Annotations" / f"{stem}.xml")
    return stem


def _add_voc_object(root: ElementTree.Element, name: str, box: object) -> None:
    assert isinstance(box, list)
    x, y, width, height = box
    corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
    found = ElementTree.SubElement(root, "object")
    ElementTree.SubElement(found, "name").text = name
    place = ElementTree.SubElement(found, "bndbox")
    for corner, value in corners.items():
        ElementTree.SubElement(place, corner).text = str(round(value))


def write_video(image: Path, path: Path) -> None:
    """Four frames of an image."""
    frame = cv2.imread(str(image))
    height, width = frame.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 4, (width, height))
    for _ in range(4):
        writer.write(frame)
    writer.release()


def write_masks(folder: Path) -> None:
    """Folders of images and index masks of two classes, with their names in classes.txt."""
    for split, count in (("train", 8), ("val", 4)):
        for number in range(count):
            pixels = np.full((64, 96, 3), 40 + 8 * number + len(split), np.uint8)
            labels = np.zeros((64, 96), np.uint8)
            pixels[16:48, 24:72] = (200, 60, 40)
            labels[16:48, 24:72] = 1
            for part, array in (("images", pixels), ("masks", labels)):
                file = folder / split / part / f"{split}{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(file)
    (folder / "classes.txt").write_text("ground\nthing\n")


def write_labelme(folder: Path) -> None:
    """Images with Labelme's JSON files beside them, of the labels cat and dog."""
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        for number in range(4):
            shade = 20 * number + len(split)
            name = f"{split}{number}"
            Image.new("RGB", (96, 64), (shade, 90, 30)).save(folder / split / f"{name}.png")
            label = ("cat", "dog")[number % 2]
            points = [[10, 10], [50, 10], [50, 40], [10, 40]]
            shape = {"label": label, "points": points, "shape_type": "polygon"}
            record = {"imagePath": f"{name}.png", "imageHeight": 64, "imageWidth": 96}
            text = json.dumps({**record, "shapes": [shape]})
            (folder / split / f"{name}.json").write_text(text)


def write_cvat(file: Path, images: Path) -> None:
    """An XML of `CVAT for images 1.1` with one outlined image."""
    images.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (96, 64), (120, 90, 30)).save(images / "one.png")
    points = "10.0,10.0;50.0,10.0;50.0,40.0"
    file.write_text(
        "<annotations><version>1.1</version><meta><task><labels><label><name>cat</name></label>"
        "</labels></task></meta><image id='0' name='one.png' width='96' height='64'>"
        f"<polygon label='cat' points='{points}'/></image></annotations>"
    )


def publish(home: Path, file: str, build: Callable[[], torch.nn.Module]) -> None:
    """A published file of torchvision's as if it had been downloaded, with random values."""
    path = home / "hub/checkpoints" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        torch.save(build().state_dict(), path)


def copy_run(run: Path, *others: Path) -> None:
    """A run under other names."""
    for other in others:
        shutil.copytree(run, other)
