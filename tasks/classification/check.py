"""Check the data of a training's settings. Imports torch if data.holdout draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.classification.config import ClassificationConfig
from tasks.datasets.checks.splits import NAMES, Name, find_splits
from tasks.datasets.class_images.check import Demands, check_class_splits
from tasks.datasets.class_images.class_images import ClassImages, read_class_images
from tasks.datasets.class_images.layout import locate_class_images
from tasks.engine.config_words import config_of_words
from tasks.engine.sinks import Console
from tasks.report.checks.telling import CheckByHand, Checked


def _look(data: Sequence[str]) -> Checked:
    """Check the splits of a folder, or of settings: a file, overrides, or both."""
    config = config_of_words(ClassificationConfig, data)
    splits, missing = _read_splits(config)
    report = check_class_splits(
        splits, config.data.exif, track=Console().track, demands=_demands(config)
    )
    return Checked(report, missing, config.data.exif, config.run.seed)


def _demands(config: ClassificationConfig) -> dict[str, Demands]:
    """Return the settings' conditions on the images of each split."""
    unreadable = config.data.unreadable
    demands: dict[str, Demands] = {name: Demands(unreadable=unreadable) for name in NAMES}
    augment = config.augment
    if augment.crop == "padded":
        setting = f"augment.size={augment.size} and augment.pad={augment.pad}"
        least = max(1, augment.size - 2 * augment.pad)
        demands["train"] = Demands(least, setting, unreadable)
    if config.test.resize is None and config.test.views != "scales":
        setting = f"test.crop={config.test.crop} and without test.resize"
        demands["val"] = Demands(config.test.crop, setting, unreadable)
    return demands


def is_class_data(folder: Path) -> bool:
    """Whether a folder holds a split of class images under a usual name."""
    try:
        read_class_images(locate_class_images(folder, "train"), "train")
    except UserError:
        return False
    return True


def _read_splits(config: ClassificationConfig) -> tuple[dict[str, ClassImages], list[str]]:
    """Return the splits that exist, and why others do not; validation images have the classes of
    training if both exist. Held-out training images replace validation images.
    """
    if config.data.holdout:
        return _held_out(config), []

    def locate(name: Name) -> Path:
        given = config.data.train if name == "train" else config.data.val
        return locate_class_images(config.data.root, name, given)

    paths, missing = find_splits(locate)
    splits: dict[str, ClassImages] = {}
    for name in NAMES:
        if name in paths:
            known = splits["train"].label_map if "train" in splits else None
            splits[name] = read_class_images(paths[name], name, known)
    return splits, missing


def _held_out(config: ClassificationConfig) -> dict[str, ClassImages]:
    """Return the training images, and the held-out ones; UserError as in training."""
    from tasks.classification.data.read_sets import hold_out, read_split

    everything = read_split(config.data, "train")
    train, val = hold_out(everything, config.data.holdout, config.run.seed)
    note = f"held out of the training images by data.holdout and run.seed={config.run.seed}"
    return {"train": train, "val": replace(val, warnings=(note,))}


check_data = CheckByHand(
    _look, "class images do not have; move or remove the images that are named"
)
