"""The backbone of a trained detector as a weights file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from resnet_backbones.weights.saving import save_weights
from tasks.detection.config import ModelConfig
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
    return f"read it with {_creation(saved.config.model, path)}"


def _creation(config: ModelConfig, path: str | Path) -> str:
    """The call that builds the backbone with the weights of a file."""
    arguments = [repr(config.backbone), f"weights={str(path)!r}"]
    if config.norm == "group":
        arguments.append("norm='group'")
    if config.stride_in != "3x3":
        arguments.append(f"stride_in={config.stride_in!r}")
    return f"create_backbone({', '.join(arguments)})"
