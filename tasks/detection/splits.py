"""The data set that the settings name, by split."""

from __future__ import annotations

from typing import Literal

from tasks.coco import CocoDataset, LabelMap, first_images, locate_split, read_coco
from tasks.detection.config import DataConfig


def locate_splits(config: DataConfig) -> None:
    """Raise ValueError listing what was tried where a split's images or annotations are not there. Needs no torch."""
    locate_split(config.root, "train", config.train.images, config.train.annotations)
    locate_split(config.root, "val", config.val.images, config.val.annotations)


def read_split(
    config: DataConfig,
    split: Literal["train", "val"],
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = True,
) -> CocoDataset:
    """The images and objects of a split, with the labels of `label_map` if given.

    `check_sizes=False` spares a rank the reading of image headers that another one does; data.check_sizes=false spares
    all. ValueError says what is wrong with the paths or the data.
    """
    own = config.train if split == "train" else config.val
    images, annotations = locate_split(config.root, split, own.images, own.annotations)
    check = check_sizes and config.check_sizes
    dataset = read_coco(annotations, images, label_map=label_map, check_sizes=check, exif=config.exif)
    return dataset if own.limit is None else first_images(dataset, own.limit)
