"""A trained detector out of its checkpoint, which holds its settings, label map and passport."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resnet_backbones.errors import UserError
from resnet_backbones.passport import Passport
from tasks.detection.config import DetectionConfig
from tasks.detection.model.faster_rcnn import FasterRCNN, Kernels, build_faster_rcnn
from tasks.engine.checkpoint import Checkpoint, read_checkpoint
from tasks.engine.checkpoint_files import find_checkpoint
from tasks.engine.config import from_dict, with_overrides
from tasks.labels import LabelMap

METADATA = ("config", "label_map", "passport")


@dataclass(frozen=True)
class SavedDetector:
    """A checkpoint with the settings its detector is used with."""

    path: Path
    """The checkpoint file."""
    checkpoint: Checkpoint
    config: DetectionConfig
    label_map: LabelMap
    passport: Passport

    def build(self, device: torch.device) -> FasterRCNN:
        """The detector on a device, in evaluation mode; UserError where the settings are of
        another network.
        """
        kernels = Kernels.of(device, self.config.model)
        model = build_faster_rcnn(
            self.config.model, self.label_map.num_classes, kernels, passport=self.passport
        )
        try:
            model.load_state_dict(self.checkpoint.weights())
        except RuntimeError as error:
            rule = "overrides must leave model.* as the checkpoint's weights need it"
            raise UserError(f"{rule}, but {self.path} does not fit: {error}") from error
        return model.to(device).eval()

    def facts(self) -> dict[str, object]:
        """What an evaluation says of the detector."""
        weights = "model" if self.checkpoint.ema is None else "ema"
        return {"checkpoint": str(self.path), "step": self.checkpoint.step, "weights": weights}


def detector_metadata(
    model: FasterRCNN, config: dict[str, Any], label_map: LabelMap
) -> dict[str, Any]:
    """What a checkpoint must say for `read_detector`; `config` is `to_dict` of the settings."""
    passport = json.loads(model.backbone.passport.to_json())
    return {
        "task": "detection",
        "config": config,
        "label_map": label_map.to_json(),
        "passport": passport,
    }


def read_detector(path: str | Path, overrides: Sequence[str] = ()) -> SavedDetector:
    """A checkpoint file, or of a run's folder the best checkpoint, or the last one where none was
    scored.

    `overrides` such as `model.roi.score_threshold=0.3` change its settings.
    """
    file = find_checkpoint(Path(path))
    checkpoint = read_checkpoint(file)
    config, label_map, passport = read_metadata(checkpoint, file)
    return SavedDetector(
        file,
        checkpoint,
        with_overrides(config, overrides, f"checkpoint {file}"),
        label_map,
        passport,
    )


def read_metadata(checkpoint: Checkpoint, file: Path) -> tuple[DetectionConfig, LabelMap, Passport]:
    """The three things a detector is rebuilt from; UserError for a checkpoint of another task."""
    missing = [key for key in METADATA if key not in checkpoint.metadata]
    if missing:
        raise UserError(
            f"{file} must be a checkpoint of a detector, but it does not say its"
            f" {', '.join(missing)}"
        )
    config = from_dict(DetectionConfig, checkpoint.metadata["config"], f"checkpoint {file}")
    label_map = LabelMap.from_json(checkpoint.metadata["label_map"])
    return config, label_map, Passport.from_json(json.dumps(checkpoint.metadata["passport"]))
