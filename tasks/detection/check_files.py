"""Check that the files of the settings exist. Imports no torch, so that it answers at once."""

from __future__ import annotations

from tasks.datasets.coco.layout import locate_split
from tasks.detection.config import DetectionConfig
from tasks.vision.check_weights import check_weights


def check_files(config: DetectionConfig) -> None:
    """Raise UserError if a split's images or annotations, or the weights, do not exist; lists the
    tried paths.
    """
    data = config.data
    locate_split(data.root, "train", data.train.images, data.train.annotations)
    locate_split(data.root, "val", data.val.images, data.val.annotations)
    check_weights(config.model.weights, config.run)
