"""Read a trained segmenter from its checkpoint with settings, classes and passport."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from tasks.segmentation.config import SegmentationConfig
from tasks.vision.backbone import write_backbone
from tasks.vision.saved import SavedNetwork
from tasks.vision.semantic.segmenter import SegmentationNetwork, build_segmenter

TASK = SegmentationConfig.task


@dataclass(frozen=True)
class SavedSegmenter(SavedNetwork[SegmentationConfig, SegmentationNetwork]):
    """A checkpoint of a segmenter with the settings to use it with."""

    SETTINGS: ClassVar = SegmentationConfig

    def make(self) -> SegmentationNetwork:
        """Build the segmenter; weights are loaded afterwards."""
        classes = self.label_map.num_classes
        return build_segmenter(self.config.model, classes, passport=self.passport)


def export_backbone(checkpoint: str | Path, path: str | Path) -> str:
    """Write the backbone's weights with their passport; see `write_backbone`."""
    saved = SavedSegmenter.read(checkpoint)
    return write_backbone(saved.build(torch.device("cpu")).backbone, saved.checkpoint, path)
