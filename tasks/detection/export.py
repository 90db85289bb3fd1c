"""The backbone of a trained detector as a weights file."""

from __future__ import annotations

from pathlib import Path

import torch

from tasks.detection.saved import read_detector
from tasks.vision.backbone import write_backbone


def export_backbone(checkpoint: str | Path, path: str | Path) -> str:
    """Write the backbone's weights with their passport; see `write_backbone`."""
    saved = read_detector(checkpoint)
    return write_backbone(saved.build(torch.device("cpu")).backbone, saved.checkpoint, path)
