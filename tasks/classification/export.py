"""Export a trained classifier as a weights file."""

from __future__ import annotations

from pathlib import Path

import torch

from tasks.classification.saved import SavedClassifier, write_weights
from tasks.vision.backbone import trained_passport


def export_classifier(checkpoint: str | Path, path: str | Path) -> str:
    """Write the classifier's weights, backbone and head, with their passport to a .safetensors
    file.

    They are the moving average's if the checkpoint has one. Returns the Python code that reads
    them.
    """
    saved = SavedClassifier.read(checkpoint)
    recipe = trained_passport(saved.checkpoint).recipe
    write_weights(saved.build(torch.device("cpu")), recipe, Path(path))
    return f"read it with resnet_backbones.load_classifier({str(path)!r}) or load_backbone"
