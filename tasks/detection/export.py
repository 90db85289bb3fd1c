"""The backbone of a trained detector as a weights file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from resnet_backbones.weights.saving import save_weights
from tasks.detection.saved import read_detector
from tasks.engine.environment import find_commit


def export_backbone(checkpoint: str | Path, path: str | Path) -> str:
    """Write the backbone's weights with their passport to a .safetensors file.

    They are the moving average's where the checkpoint has one. Returns the Python that reads them.
    """
    saved = read_detector(checkpoint)
    recipe = f"detection, {saved.checkpoint.step} steps from {saved.passport.source}"
    passport = replace(saved.passport, recipe=recipe)
    backbone = saved.build(torch.device("cpu")).backbone
    save_weights(path, backbone, passport, commit=find_commit() or "")
    return f"read it with resnet_backbones.load_backbone({str(path)!r})"
