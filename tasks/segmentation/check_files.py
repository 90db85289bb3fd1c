"""Check that the files of the settings exist. Imports no torch, so that it answers at once."""

from __future__ import annotations

from tasks.datasets.semantic.layout import locate_semantic
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.sources import source_of
from tasks.vision.check_weights import check_weights


def check_files(config: SegmentationConfig) -> None:
    """Raise UserError if a split's images or labels, or the weights, do not exist; lists the tried
    paths.
    """
    locate_semantic(source_of(config.data, "train"))
    locate_semantic(source_of(config.data, "val"))
    check_weights(config.model.weights, config.run)
