"""A small data set drawn by a program, in COCO's format and as class folders.

The same arguments give the same bytes.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.datasets.shapes.art import CLASSES
from tasks.datasets.shapes.records import class_folders, draw_images, save_crops
from tasks.datasets.shapes.scenes import Split

SMALL = 32**2  # square pixels: COCO's limit of small objects
SPLITS: tuple[Split, Split] = ("train", "val")
_LEAST = {"train": 1, "val": 1, "seed": 0, "size": 96}
_ABOUT = "shapes.json"  # says in class folders how they were drawn
Recipe = Mapping[str, Any]


def draw_shapes(
    out: str | Path, *, train: int = 400, val: int = 100, seed: int = 0, size: int = 192
) -> str:
    """Draw the data set into the folder `out` and return a line that says what it holds.

    `train` and `val` count images, `size` is their longer side in pixels (at least 96). A folder
    that already holds this very data set is left as it is; one that holds anything else is refused
    with UserError.
    """
    recipe = _recipe("drawn shapes", train=train, val=val, seed=seed, size=size)
    _draw_once(Path(out), recipe, _draw_split, last="annotations")
    return _summary(Path(out), recipe)


def draw_classes(
    out: str | Path, *, train: int = 400, val: int = 100, seed: int = 0, size: int = 192
) -> str:
    """Draw the pictures of single objects alone, train/CLASS/*.png and val/CLASS/*.png, into the
    folder `out`, and return a line that says what it holds.

    They are those that `draw_shapes` of these arguments cuts out of its images, and the folder is
    treated as there.
    """
    recipe = _recipe("drawn shapes in class folders", train=train, val=val, seed=seed, size=size)
    _draw_once(Path(out), recipe, _draw_split_of_classes, last=_ABOUT)
    return _summary_of_classes(Path(out), recipe)


def _recipe(description: str, **arguments: int) -> Recipe:
    """What a data set is drawn from; UserError for an argument that is too small."""
    for name, least in _LEAST.items():
        if arguments[name] < least:
            raise UserError(f"{name} must be >= {least}, got {arguments[name]}")
    order = ("seed", "size", "train", "val")
    return {
        "description": description,
        "version": "1",
        **{name: arguments[name] for name in order},
    }


def _draw_once(
    out: Path, recipe: Recipe, draw: Callable[[Path, Split, Recipe], None], *, last: str
) -> None:
    """Draw the splits into a free folder, and nothing into another.

    They are drawn beside `out` and renamed, so that an interrupted drawing leaves no half data set;
    `last` is what tells a whole one.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return
    beside = out.resolve()  # `.` has no name
    partial = beside.with_name(f".{beside.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    for split in SPLITS:
        draw(partial, split, recipe)
    if not out.exists():
        partial.rename(out)
        return
    # a folder that is there stays, as a shell may stand in it
    for part in sorted(partial.iterdir(), key=lambda path: path.name == last):
        part.rename(out / part.name)
    partial.rmdir()


def _summary(out: Path, recipe: Recipe) -> str:
    """What the folder holds; UserError where that is not what the recipe draws."""
    files = [out / "annotations" / f"instances_{split}.json" for split in SPLITS]
    contents = [json.loads(file.read_text()) for file in files if file.is_file()]
    if len(contents) != 2 or any(content.get("info") != recipe for content in contents):
        raise _something_else(out)
    train, val = contents
    objects = [*train["annotations"], *val["annotations"]]
    single = [record for record in objects if not record["iscrowd"]]
    small = sum(record["area"] < SMALL for record in single) / len(single)
    return (
        f"{out}: {len(train['images'])} train and {len(val['images'])} val images, {len(single)}"
        f" objects of {len(CLASSES)} classes ({small:.0%} small), {len(objects) - len(single)}"
        " crowds"
    )


def _summary_of_classes(out: Path, recipe: Recipe) -> str:
    """What the class folders hold; UserError where they are not what the recipe draws."""
    about = out / _ABOUT
    if not about.is_file() or json.loads(about.read_text()) != recipe:
        raise _something_else(out)
    counts: dict[str, list[int]] = {}
    for split in SPLITS:
        folders = [out / split / name for name in CLASSES]
        counts[split] = [len(list(folder.glob("*.png"))) for folder in folders]
    pairs = zip(CLASSES, counts["train"], counts["val"], strict=True)
    each = ", ".join(f"{name} {train} and {val}" for name, train, val in pairs)
    return f"{out}: {sum(counts['train'])} train and {sum(counts['val'])} val pictures: {each}"


def _something_else(out: Path) -> UserError:
    return UserError(
        f"{out} must be empty or hold the same drawn data set, but holds something else; choose"
        " another"
    )


def _draw_split(out: Path, split: Split, recipe: Recipe) -> None:
    """Write a split's images, its annotations and its class folders."""
    (out / split).mkdir(parents=True)
    (out / "annotations").mkdir(exist_ok=True)
    folders = class_folders(out / "classifier" / split)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image in draw_images(split, recipe[split], recipe["seed"], recipe["size"]):
        name = f"{image.id:06d}.jpg"
        image.picture.save(out / split / name, quality=95, subsampling=0)
        size = {"height": image.picture.height, "width": image.picture.width}
        images.append({"id": image.id, "file_name": name, **size})
        annotations += image.records
        save_crops(image, folders)
    content = {
        "info": recipe,
        "images": images,
        "annotations": annotations,
        "categories": _categories(),
    }
    (out / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def _draw_split_of_classes(out: Path, split: Split, recipe: Recipe) -> None:
    """Write a split's class folders, and what they were drawn from."""
    folders = class_folders(out / split)
    for image in draw_images(split, recipe[split], recipe["seed"], recipe["size"]):
        save_crops(image, folders)
    (out / _ABOUT).write_text(json.dumps(recipe))


def _categories() -> list[dict[str, Any]]:
    return [
        {"id": label + 1, "name": name, "supercategory": "shape"}
        for label, name in enumerate(CLASSES)
    ]
