"""A trained detector out of its checkpoint, which holds its settings, label map and passport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.detection.config import DetectionConfig
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.engine.checkpoint import load_weights
from tasks.engine.saved import read_run
from tasks.vision.saved import SavedNetwork, read_metadata

TASK = "detection"


@dataclass(frozen=True)
class SavedDetector(SavedNetwork[DetectionConfig]):
    """A checkpoint of a detector with the settings that it is used with."""

    def build(self, device: torch.device) -> FasterRCNN:
        """The detector on a device, in evaluation mode; UserError where the settings are of another
        network.
        """
        classes = self.label_map.num_classes
        model = build_faster_rcnn(self.config.model, classes, passport=self.passport)
        load_weights(model, self.checkpoint.weights(), self.path)
        return model.to(device).eval()


def read_detector(path: str | Path, overrides: Sequence[str] = ()) -> SavedDetector:
    """Read a checkpoint file, or of a run's folder the best checkpoint, or the last one where none
    was scored.

    `overrides` such as `model.roi.score_threshold=0.3` change its settings.
    """
    saved = read_run(path, DetectionConfig, TASK, overrides)
    label_map, passport = read_metadata(saved.checkpoint)
    return SavedDetector(saved.checkpoint, saved.config, label_map, passport)
