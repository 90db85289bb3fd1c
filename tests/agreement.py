"""One drawn data set, judged by the check and by what training does with it until its batches.

Both judge the two splits of a folder; a judgement is None, or why it is refused.
"""

import copy
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import class_data
import numpy as np
from mutate import coco, files
from PIL import Image
from tiny_classifier import arguments as classifier_arguments
from tiny_segmenter import SETTINGS as SEGMENTER
from tiny_segmenter import write_masks

from resnet_backbones.errors import UserError
from tasks.classification.check import check_data as check_classes
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.files import FileBatches, Places, TestReader, TrainReader
from tasks.classification.data.read_sets import read_sets
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.data.views import views_of
from tasks.datasets.checks.report import CheckReport
from tasks.detection.check import check_data as check_boxes
from tasks.detection.config import DetectionConfig
from tasks.detection.data.batches import TrainBatches, ValBatches
from tasks.detection.data.read_splits import read_split
from tasks.engine.config import load_config
from tasks.engine.loading import Share
from tasks.segmentation.check import check_data as check_labels_
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.batches import TrainBatches as LabelBatches
from tasks.segmentation.data.batches import scored_batches
from tasks.segmentation.data.read_splits import read_split as read_labels

Judgement = str | None
BOXES = ("data.batch_size=2", "data.short_edge=[32]", "data.long_edge=64", "data.workers=0")


def sound() -> coco.Content:
    """Three images of 40x30 pixels with boxes, an outline, run lengths and a crowd."""
    shapes: tuple[dict[str, Any], ...] = (
        {"bbox": [2, 3, 20, 10], "area": 150.5, "iscrowd": 0},
        {"bbox": [2, 2, 10, 7], "segmentation": [[2, 2, 12, 2, 12, 9]], "area": 35},
        {"segmentation": {"size": [30, 40], "counts": [154, 6, 1040]}, "iscrowd": 1},
    )
    images = [{"id": n, "file_name": f"{n}.png", "width": 40, "height": 30} for n in (11, 12, 13)]
    annotations: list[dict[str, Any]] = []
    for image in (11, 12, 13):
        for index, shape in enumerate(shapes):
            owners = {"id": 10 * image + index, "image_id": image, "category_id": 1 + index % 2}
            annotations.append({**owners, **copy.deepcopy(shape)})
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def refusal(call: Callable[[], object]) -> Judgement:
    """What a call is refused with; anything but a UserError is a failure of the test."""
    try:
        call()
    except UserError as error:
        return str(error)
    return None


def checked(check: Callable[[], tuple[CheckReport, str]]) -> Judgement:
    """The first error of a check, or what it is refused with."""
    reports: list[CheckReport] = []
    refused = refusal(lambda: reports.append(check()[0]))
    if refused is not None:
        return refused
    errors = [one.line() for one in reports[0].findings if one.severity == "error"]
    return errors[0] if errors else None


def exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


# --- detection


def draw_boxes(root: Path, chance: Random) -> list[str]:
    """Write a data set in COCO's layout, one split of it damaged; the settings to read it with."""
    documents = {"train": sound(), "val": sound()}
    damaged = chance.choice(("train", "train", "val"))
    (root / "annotations").mkdir(parents=True)
    for split in documents:
        (root / split).mkdir()
        for number in (11, 12, 13):
            pixels = np.random.default_rng([number, len(split)]).integers(0, 256, (30, 40, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(root / split / f"{number}.png")
    if chance.random() < 0.15:
        file = root / damaged / "12.png"
        file.write_bytes(files.mutate_image(file.read_bytes(), chance))
    else:
        documents[damaged] = coco.mutate(documents[damaged], chance)
    for split, document in documents.items():
        text = json.dumps(document).encode()
        if split == damaged and chance.random() < 0.1:
            text = files.mutate_text(text, chance)
        (root / "annotations" / f"instances_{split}.json").write_bytes(text)
    pasted = chance.choice(("0", "0", "1"))
    return [f"data.root={root}", *BOXES, f"data.copy_paste={pasted}"]


def train_on_boxes(words: list[str]) -> None:
    """Read both splits and every batch of an epoch."""
    data = load_config(DetectionConfig, None, words).data
    train = read_split(data, "train")
    val = read_split(data, "val", label_map=train.label_map)
    batches = TrainBatches(train, data)
    for _, _ in zip(range(batches.epoch_length), batches.start(0), strict=False):
        pass
    exhaust(ValBatches(val, data))


def fix_boxes(words: list[str], root: Path) -> list[str]:
    """Write the corrected files; the settings that name them, none where one was not written."""
    check_boxes(words, fix=str(root / "fixed.json"))
    files_ = {split: root / f"fixed_{split}.json" for split in ("train", "val")}
    if not all(file.exists() for file in files_.values()):
        return []
    return [*words, *(f"data.{split}.annotations={file}" for split, file in files_.items())]


def judge_boxes(words: list[str]) -> tuple[Judgement, Judgement]:
    return checked(lambda: check_boxes(words)), refusal(lambda: train_on_boxes(words))


# --- class folders


def draw_classes(root: Path, chance: Random) -> list[str]:
    """Write class folders, some file or name of which is not as it should be."""
    class_data.folders(root)
    split = chance.choice(("train", "val"))
    classes = sorted((root / split).iterdir())
    folder = chance.choice(classes)
    file = chance.choice(sorted(folder.iterdir()))
    way = chance.randrange(10)
    if way < 4:
        file.write_bytes(files.mutate_image(file.read_bytes(), chance))
    elif way == 4:
        names = ("cat ", "Red", "blue\r", ".hidden", "new", "new", "train", "1", "é", "a\nb")
        target = folder.with_name(chance.choice(names))
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
    elif way == 5:
        names = (
            "x.jfif",
            "x.JPG",
            "x.txt",
            "Thumbs.db",
            "._x.jpg",
            ".ipynb_checkpoints/x.png",
            "x",
        )
        target = folder / chance.choice(names)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(chance.choice((file.read_bytes(), b"junk")))
    elif way == 6:
        shutil.rmtree(folder)
    elif way == 7:
        for image in folder.iterdir():
            image.unlink()
    elif way == 8:
        write_list(root, split, chance)
    return classifier_arguments(root, data__decoded=False, data__workers=0)


def write_list(root: Path, split: str, chance: Random) -> None:
    """List a split in a CSV that is damaged, in place of its folder."""
    lines = ["file,label"]
    for file in sorted((root / split).rglob("*.png")):
        lines.append(f"pictures/{file.parent.name}/{file.name},{file.parent.name}")
    (root / split).rename(root / "pictures")
    text = "\n".join(lines).encode()
    (root / f"{split}.csv").write_bytes(files.mutate_text(text, chance))


def train_on_classes(words: list[str]) -> None:
    """Read both splits and every batch of an epoch."""
    config = load_config(ClassificationConfig, None, words)
    sets = read_sets(config.data, 0)

    def watch(images: Any) -> Unreadable:
        return Unreadable(images, config.data.exif, config.data.unreadable, lambda _: None)

    reader = TrainReader(sets.train, config, (0, 0, 0))
    batches = FileBatches(reader, Share(), watch(sets.train))
    for _, _ in zip(range(batches.epoch_length + 1), batches.start(0), strict=False):
        pass
    score = TestReader(sets.val, config, views_of(config.test)[0])
    exhaust(watch(sets.val).watched(score(Places([place])) for place in range(len(sets.val))))


def judge_classes(words: list[str]) -> tuple[Judgement, Judgement]:
    return checked(lambda: check_classes(words)), refusal(lambda: train_on_classes(words))


# --- folders of masks


def draw_labels(root: Path, chance: Random) -> list[str]:
    """Write images and masks, some file of which is not as it should be."""
    write_masks(root)
    split = chance.choice(("train", "val"))
    kind = chance.choice(("images", "masks", "masks"))
    file = chance.choice(sorted((root / split / kind).iterdir()))
    way = chance.randrange(8)
    if way < 4:
        file.write_bytes(files.mutate_image(file.read_bytes(), chance))
    elif way == 4:
        values = np.asarray(Image.open(file)).copy()
        values[:] = chance.choice((0, 1, 9, 255))
        Image.fromarray(values).save(file)
    elif way == 5:
        names = ("x.jfif", "x.txt", "Thumbs.db", "._000.png", ".ipynb_checkpoints/000.png")
        target = file.parent / chance.choice(names)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(chance.choice((file.read_bytes(), b"junk")))
    elif way == 6:
        classes = root / "classes.txt"
        classes.write_bytes(files.mutate_text(classes.read_bytes(), chance))
    else:
        file.unlink()
    settings = [f"{name}={value}" for name, value in SEGMENTER.items()]
    return [f"data.root={root}", *settings]


def train_on_labels(words: list[str]) -> None:
    """Read both splits and every batch of an epoch."""
    config = load_config(SegmentationConfig, None, words)
    train = read_labels(config.data, "train")
    val = read_labels(config.data, "val", label_map=train.label_map)
    batches = LabelBatches(train, config)
    for _, _ in zip(range(batches.epoch_length), batches.start(0), strict=False):
        pass
    exhaust(scored_batches(val, config, Share()))


def judge_labels(words: list[str]) -> tuple[Judgement, Judgement]:
    return checked(lambda: check_labels_(words)), refusal(lambda: train_on_labels(words))


DRAWN = {
    "boxes": (draw_boxes, judge_boxes),
    "classes": (draw_classes, judge_classes),
    "labels": (draw_labels, judge_labels),
}
