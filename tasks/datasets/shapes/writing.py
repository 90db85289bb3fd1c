"""A small data set drawn by a program, in COCO's format and as class folders.

The same arguments give the same bytes.  Masks are (H, W) bool; boxes are COCO's (x, y, width,
height) in pixels.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as masks

from resnet_backbones.errors import UserError
from tasks.datasets.shapes.art import CLASSES, hole
from tasks.datasets.shapes.scenes import Mask, Scene, Split, draw_scene

SMALL = 32**2  # square pixels: COCO's limit of small objects
_CROP = 48  # side of a classifier's picture, in pixels
_LEAST = {"train": 1, "val": 1, "seed": 0, "size": 96}


def draw_shapes(
    out: str | Path, *, train: int = 400, val: int = 100, seed: int = 0, size: int = 192
) -> str:
    """Draw the data set into the folder `out` and return a line that says what it holds.

    `train` and `val` count images, `size` is their longer side in pixels (at least 96). A folder
    that already holds this very data set is left as it is; one that holds anything else is refused
    with UserError.
    """
    arguments = {"train": train, "val": val, "seed": seed, "size": size}
    for name, least in _LEAST.items():
        if arguments[name] < least:
            raise UserError(f"{name} must be >= {least}, got {arguments[name]}")
    out = Path(out)
    recipe: dict[str, Any] = {
        "description": "drawn shapes",
        "version": "1",
        "seed": seed,
        "size": size,
        "train": train,
        "val": val,
    }
    is_free = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    if is_free:
        _draw_all(out, recipe)
    return _summary(out, recipe)


def _draw_all(out: Path, recipe: dict[str, Any]) -> None:
    """Draw beside `out` and rename, so that an interrupted drawing leaves no half data set."""
    beside = out.resolve()  # `.` has no name
    partial = beside.with_name(beside.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    _draw_split(partial, "train", recipe)
    _draw_split(partial, "val", recipe)
    if not out.exists():
        partial.rename(out)
        return
    # a folder that is there stays, as a shell may stand in it; what tells a whole set comes last
    for part in sorted(partial.iterdir(), key=lambda path: path.name == "annotations"):
        part.rename(out / part.name)
    partial.rmdir()


def _summary(out: Path, recipe: dict[str, Any]) -> str:
    """What the folder holds; UserError where that is not what the recipe draws."""
    files = [out / "annotations" / f"instances_{split}.json" for split in ("train", "val")]
    contents = [json.loads(file.read_text()) for file in files if file.is_file()]
    if len(contents) != 2 or any(content.get("info") != recipe for content in contents):
        raise UserError(
            f"{out} must be empty or hold the same drawn data set, but holds something else; choose"
            " another"
        )
    train, val = contents
    objects = [*train["annotations"], *val["annotations"]]
    single = [record for record in objects if not record["iscrowd"]]
    small = sum(record["area"] < SMALL for record in single) / len(single)
    return (
        f"{out}: {len(train['images'])} train and {len(val['images'])} val images, {len(single)}"
        f" objects of {len(CLASSES)} classes ({small:.0%} small), {len(objects) - len(single)}"
        " crowds"
    )


def _draw_split(out: Path, split: Split, recipe: dict[str, Any]) -> None:
    """Write a split's images, its annotations and its class folders."""
    class_folders = [out / "classifier" / split / name for name in CLASSES]
    for folder in (out / split, out / "annotations", *class_folders):
        folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(recipe[split]):
        scene = draw_scene(recipe["seed"], split, number, recipe["size"])
        picture = Image.fromarray(np.clip(scene.picture + 0.5, 0, 255).astype(np.uint8))
        name = f"{number + 1:06d}.jpg"
        picture.save(out / split / name, quality=95, subsampling=0)
        size = {"height": picture.height, "width": picture.width}
        images.append({"id": number + 1, "file_name": name, **size})
        for index, item in enumerate(scene.items):
            ids = {"id": len(annotations) + 1, "image_id": number + 1}
            record = {**ids, **_annotation(scene, index)}
            annotations.append(record)
            if not record["iscrowd"]:
                crop = _crop(picture, record["bbox"])
                crop.save(class_folders[item.label] / f"{record['id']:06d}.png")
    content = {
        "info": recipe,
        "images": images,
        "annotations": annotations,
        "categories": _categories(),
    }
    (out / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def _categories() -> list[dict[str, Any]]:
    return [
        {"id": label + 1, "name": name, "supercategory": "shape"}
        for label, name in enumerate(CLASSES)
    ]


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
        segmentation = {"size": list(shown.shape), "counts": _run_lengths(shown)}
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


def _run_lengths(mask: Mask) -> list[int]:
    """COCO's uncompressed run lengths: columns first, starting with the zeros."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs: list[int] = np.diff([0, *ends.tolist(), flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


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
