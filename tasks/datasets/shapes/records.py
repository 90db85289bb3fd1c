"""What is written of a drawn scene: COCO's records, and a classifier's pictures of its objects.

Masks are (H, W) bool; boxes are COCO's (x, y, width, height) in pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as masks

from tasks.datasets.coco.masks import run_lengths
from tasks.datasets.shapes.art import CLASSES, hole
from tasks.datasets.shapes.scenes import Scene, Split, draw_scene

_CROP = 48  # side of a classifier's picture, in pixels


@dataclass(frozen=True)
class DrawnImage:
    """An image with COCO's records of what lies on it."""

    id: int
    """1, 2, … in a split."""
    picture: Image.Image
    records: list[dict[str, Any]]


def draw_images(split: Split, count: int, seed: int, size: int) -> Iterator[DrawnImage]:
    """A split's images in order; `size` is their longer side in pixels."""
    drawn = 0  # objects so far
    for number in range(count):
        scene = draw_scene(seed, split, number, size)
        picture = Image.fromarray(np.clip(scene.picture + 0.5, 0, 255).astype(np.uint8))
        records: list[dict[str, Any]] = []
        for index in range(len(scene.items)):
            drawn += 1
            ids = {"id": drawn, "image_id": number + 1}
            records.append({**ids, **_annotation(scene, index)})
        yield DrawnImage(number + 1, picture, records)


def class_folders(folder: Path) -> list[Path]:
    """Make a folder for each class, in the order of their labels."""
    folders = [folder / name for name in CLASSES]
    for path in folders:
        path.mkdir(parents=True)
    return folders


def save_crops(image: DrawnImage, folders: list[Path]) -> None:
    """Write a picture of each object, crowds apart, to its class's folder."""
    for record in image.records:
        if not record["iscrowd"]:
            crop = _crop(image.picture, record["bbox"])
            crop.save(folders[record["category_id"] - 1] / f"{record['id']:06d}.png")


def _annotation(scene: Scene, index: int) -> dict[str, Any]:
    """Category, mask, box and area.

    The mask is a polygon where that says everything, else run lengths; a crowd's are uncompressed.
    """
    item = scene.items[index]
    shown = scene.visible(index)
    encoded = masks.encode(np.asfortranarray(shown.astype(np.uint8)))
    box = [float(value) for value in masks.toBbox(encoded)]
    segmentation: Any = {"size": list(shown.shape), "counts": encoded["counts"].decode()}
    if item.crowd:
        segmentation = {"size": list(shown.shape), "counts": run_lengths(shown)}
    elif hole(item.label, item.outlines[0]) is None and bool((shown == item.mask).all()):
        corners = item.outlines[0]
        segmentation = [corners.ravel().tolist()]
        low = corners.min(axis=0)
        high = corners.max(axis=0)
        box = [round(float(value), 2) for value in (*low, *(high - low))]
    return {
        "category_id": item.label + 1,
        "iscrowd": int(item.crowd),
        "area": float(shown.sum()),
        "bbox": box,
        "segmentation": segmentation,
    }


def _crop(picture: Image.Image, box: list[float]) -> Image.Image:
    """The square around a box with a quarter more on each axis, at the classifier's size.

    It is moved inside the picture.
    """
    x, y, width, height = box
    side = min(1.25 * max(width, height), *picture.size)
    left = min(max(x + width / 2 - side / 2, 0.0), picture.width - side)
    top = min(max(y + height / 2 - side / 2, 0.0), picture.height - side)
    area = (left, top, left + side, top + side)
    return picture.resize((_CROP, _CROP), Image.Resampling.BICUBIC, box=area)
