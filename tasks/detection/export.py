"""The backbone of a trained detector as a weights file."""

from __future__ import annotations

from pathlib import Path

import torch

from resnet_backbones.weights.saving import save_weights
from tasks.detection.saved import read_detector
from tasks.engine.environment import find_commit
from tasks.vision.backbone import trained_passport


def export_backbone(checkpoint: str | Path, path: str | Path) -> str:
    """Write the backbone's weights with their passport to a .safetensors file.

    They are the moving average's where the checkpoint has one. Returns the Python that reads them.
    """
    saved = read_detector(checkpoint)
    passport = trained_passport(saved.checkpoint)
    backbone = saved.build(torch.device("cpu")).backbone
    save_weights(path, backbone, passport, commit=find_commit() or "")
    return f"read it with resnet_backbones.load_backbone({str(path)!r})"
