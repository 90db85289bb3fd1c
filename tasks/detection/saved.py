"""A trained detector out of its checkpoint, which holds its settings, label map and passport."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resnet_backbones.weights.passport import Passport
from tasks.detection.config import DetectionConfig
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.engine.checkpoint import Checkpoint, load_weights
from tasks.engine.saved import SavedRun, read_run, saved_metadata
from tasks.labels import LabelMap

TASK = "detection"


@dataclass(frozen=True)
class SavedDetector(SavedRun[DetectionConfig]):
    """A checkpoint of a detector with the settings that it is used with."""

    label_map: LabelMap
    passport: Passport

    def build(self, device: torch.device) -> FasterRCNN:
        """The detector on a device, in evaluation mode; UserError where the settings are of another
        network.
        """
        classes = self.label_map.num_classes
        model = build_faster_rcnn(self.config.model, classes, passport=self.passport)
        load_weights(model, self.checkpoint.weights(), self.path)
        return model.to(device).eval()


def detector_metadata(model: FasterRCNN, label_map: LabelMap) -> dict[str, Any]:
    """What a checkpoint must say for `read_detector`, beside its task and settings."""
    passport = json.loads(model.backbone.passport.to_json())
    return {"label_map": label_map.to_json(), "passport": passport}


def read_detector(path: str | Path, overrides: Sequence[str] = ()) -> SavedDetector:
    """Read a checkpoint file, or of a run's folder the best checkpoint, or the last one where none
    was scored.

    `overrides` such as `model.roi.score_threshold=0.3` change its settings.
    """
    saved = read_run(path, DetectionConfig, TASK, overrides)
    label_map, passport = read_metadata(saved.checkpoint)
    return SavedDetector(saved.checkpoint, saved.config, label_map, passport)


def read_metadata(checkpoint: Checkpoint) -> tuple[LabelMap, Passport]:
    """Classes and preprocessing of a detector's checkpoint."""
    label_map = LabelMap.from_json(saved_metadata(checkpoint, "label_map"))
    passport = Passport.from_json(json.dumps(saved_metadata(checkpoint, "passport")))
    return label_map, passport
