"""Read the data set of a split that the settings name. Imports no torch."""

from __future__ import annotations

from typing import Literal

from tasks.datasets.coco.dataset import CocoDataset, first_images
from tasks.datasets.coco.layout import locate_split
from tasks.datasets.coco.read_for_training import read_for_training
from tasks.detection.config import DataConfig
from tasks.labels import LabelMap


def read_split(
    config: DataConfig,
    split: Literal["train", "val"],
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = True,
    check_command: str = "backbones check",
) -> CocoDataset:
    """Read the images and objects of a split, with the labels of `label_map` if given.

    `check_sizes=False` skips image headers and masks on a rank if another one reads them;
    data.check_sizes=false skips them on all. Raises UserError that says what is wrong with the
    paths or the data, and that `check_command` lists more.
    """
    own = config.split(split)
    images, annotations = locate_split(config.root, split, own.images, own.annotations)
    dataset = read_for_training(
        annotations,
        images,
        label_map=label_map,
        check_sizes=check_sizes and config.check_sizes,
        check_masks=check_sizes and split == "train" and config.copy_paste > 0,
        exif=config.exif,
        check_command=check_command,
    )
    return dataset if own.limit is None else first_images(dataset, own.limit)
