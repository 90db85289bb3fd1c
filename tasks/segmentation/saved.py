"""A trained segmenter out of its checkpoint, which holds its settings, classes and passport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.engine.checkpoint import load_weights
from tasks.engine.saved import read_run
from tasks.segmentation.config import SegmentationConfig
from tasks.vision.saved import SavedNetwork, read_metadata
from tasks.vision.semantic.segmenter import SegmentationNetwork, build_segmenter

TASK = "segmentation"


@dataclass(frozen=True)
class SavedSegmenter(SavedNetwork[SegmentationConfig]):
    """A checkpoint of a segmenter with the settings that it is used with."""

    def build(self, device: torch.device) -> SegmentationNetwork:
        """The segmenter on a device, in evaluation mode; UserError where the settings are of
        another network.
        """
        classes = self.label_map.num_classes
        model = build_segmenter(self.config.model, classes, passport=self.passport)
        load_weights(model, self.checkpoint.weights(), self.path)
        return model.to(device).eval()


def read_segmenter(path: str | Path, overrides: Sequence[str] = ()) -> SavedSegmenter:
    """Read a checkpoint file, or of a run's folder the best checkpoint, or the last one where none
    was scored. `overrides` such as `test.flip=true` change its settings.
    """
    saved = read_run(path, SegmentationConfig, TASK, overrides)
    label_map, passport = read_metadata(saved.checkpoint)
    return SavedSegmenter(saved.checkpoint, saved.config, label_map, passport)
