"""The files that the settings name: are they there, and the data set of a split.  Imports
no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset, first_images, read_coco
from tasks.datasets.coco.layout import locate_split
from tasks.detection.config import DataConfig, DetectionConfig
from tasks.engine.checkpoint_files import LAST
from tasks.labels import LabelMap


def check_files(config: DetectionConfig) -> None:
    """Raise UserError where a split's images or annotations, listing what was tried, or the
    weights are not there.
    """
    data, weights, run = config.data, config.model.weights, config.run
    locate_split(data.root, "train", data.train.images, data.train.annotations)
    locate_split(data.root, "val", data.val.images, data.val.annotations)
    resumed = (
        run.resume == "auto" and (Path(run.output_dir) / LAST).exists()
    )  # which needs no weights
    if (
        weights is None
        or resumed
        or weights.startswith(("torchvision:", "timm:"))
        or Path(weights).exists()
    ):
        return
    raise UserError(
        "model.weights must be an existing file or run folder, torchvision:<model>.<weights> or"
        f" timm:<model>.<tag>, got {weights}; check the path, or set model.weights=null to start"
        " from scratch"
    )


def read_split(
    config: DataConfig,
    split: Literal["train", "val"],
    *,
    label_map: LabelMap | None = None,
    check_sizes: bool = True,
) -> CocoDataset:
    """The images and objects of a split, with the labels of `label_map` if given.

    `check_sizes=False` spares a rank the reading of image headers that another one does;
    data.check_sizes=false spares all. UserError says what is wrong with the paths or the data.
    """
    own = config.train if split == "train" else config.val
    images, annotations = locate_split(config.root, split, own.images, own.annotations)
    check = check_sizes and config.check_sizes
    dataset = read_coco(
        annotations, images, label_map=label_map, check_sizes=check, exif=config.exif
    )
    return dataset if own.limit is None else first_images(dataset, own.limit)
