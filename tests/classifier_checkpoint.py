"""What training a classifier leaves behind, of a tiny, untrained one, shared by the tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from resnet_backbones.classifier import Classifier
from resnet_backbones.registry import create_backbone
from resnet_backbones.spec import StrideIn
from resnet_backbones.weights.saving import save_weights
from tasks.engine.checkpoint import Group, write_checkpoint
from tasks.engine.progress import Progress
from tasks.labels import LabelMap

TINY_NETWORK = "timm:test_resnet"
MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.25, 0.2)
CLASSES = LabelMap((0, 1, 2), ("cat", "dog", "bird"))


def tiny_classifier(name: str = TINY_NETWORK) -> Classifier:
    """A classifier of three classes that was trained on pixels of another mean than ImageNet's."""
    torch.manual_seed(1)
    classifier = Classifier(create_backbone(name), 3)
    for name, tensor in classifier.state_dict().items():
        if name.endswith(("running_mean", "running_var")):  # other than a new network's
            tensor.uniform_(0.5, 1.5)
    stated = replace(classifier.backbone.passport, mean=MEAN, std=STD, label_map=CLASSES.names)
    classifier.backbone.passport = replace(stated, source="trained from scratch")
    return classifier


def save_classifier(
    folder: Path,
    classifier: Classifier,
    *,
    averaged: dict[str, Any] | None = None,
    stride_in: StrideIn = "3x3",
) -> Path:
    """Write best.pt and weights.safetensors of a run that trained the classifier."""
    folder.mkdir(exist_ok=True)
    passport = replace(classifier.backbone.passport, stride_in=stride_in)
    metadata = {
        "task": "classification",
        "config": {},
        "label_map": CLASSES.to_json(),
        "passport": json.loads(passport.to_json()),
    }
    groups = {
        "model": Group.of(classifier.state_dict()),
        "ema": Group.of(averaged),
        "optimizer": Group.of(None),
    }
    write_checkpoint(folder / "best.pt", Progress(step=7), json.dumps(metadata), groups)
    save_weights(folder / "weights.safetensors", classifier.state_dict(), passport)
    return folder
