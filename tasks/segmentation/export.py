"""The backbone of a trained segmenter as a weights file."""

from __future__ import annotations

from pathlib import Path

import torch

from tasks.segmentation.saved import read_segmenter
from tasks.vision.backbone import write_backbone


def export_backbone(checkpoint: str | Path, path: str | Path) -> str:
    """Write the backbone's weights with their passport; see `write_backbone`."""
    saved = read_segmenter(checkpoint)
    return write_backbone(saved.build(torch.device("cpu")).backbone, saved.checkpoint, path)
