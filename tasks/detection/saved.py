"""Read a trained detector from its checkpoint with settings, label map and passport."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from tasks.detection.config import DetectionConfig
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.vision.backbone import write_backbone
from tasks.vision.saved import SavedNetwork

TASK = DetectionConfig.task


@dataclass(frozen=True)
class SavedDetector(SavedNetwork[DetectionConfig, FasterRCNN]):
    """A checkpoint of a detector with the settings to use it with."""

    SETTINGS: ClassVar = DetectionConfig

    def make(self) -> FasterRCNN:
        """Build the detector; weights are loaded afterwards."""
        classes = self.label_map.num_classes
        return build_faster_rcnn(self.config.model, classes, passport=self.passport)


def export_backbone(checkpoint: str | Path, path: str | Path) -> str:
    """Write the backbone's weights with their passport; see `write_backbone`."""
    saved = SavedDetector.read(checkpoint)
    return write_backbone(saved.build(torch.device("cpu")).backbone, saved.checkpoint, path)
