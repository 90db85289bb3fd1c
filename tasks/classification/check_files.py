"""Check that the files of the settings exist. Imports no torch, so that it answers at once."""

from __future__ import annotations

from tasks.classification.config import ClassificationConfig
from tasks.datasets.class_images.addresses import find_addresses
from tasks.datasets.class_images.layout import locate_class_images
from tasks.vision.check_weights import check_weights


def check_files(config: ClassificationConfig) -> None:
    """Raise UserError if a split or the weights do not exist; lists the tried paths."""
    data = config.data
    if data.streamed:
        find_addresses(str(data.train))
    else:
        locate_class_images(data.root, "train", data.train)
    if not data.holdout:
        locate_class_images(data.root, "val", data.val)
    check_weights(config.model.weights, config.run)
