"""A trained classifier out of its checkpoint, which holds its settings, classes and passport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from resnet_backbones.classifier import Classifier
from resnet_backbones.weights.loading import adopt_passport
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.saving import save_weights
from tasks.classification.config import ClassificationConfig, ModelConfig
from tasks.classification.network import build_network
from tasks.engine.checkpoint import load_weights
from tasks.engine.environment import find_commit
from tasks.engine.saved import read_run
from tasks.labels import LabelMap
from tasks.vision.saved import SavedNetwork, read_metadata

TASK = "classification"
WEIGHTS = "weights.safetensors"
"""The best weights of a run, for use elsewhere."""


@dataclass(frozen=True)
class SavedClassifier(SavedNetwork[ClassificationConfig]):
    """A checkpoint of a classifier with the settings that it is used with."""

    def build(self, device: torch.device) -> Classifier:
        """The classifier on a device, in evaluation mode; UserError where the settings are of
        another network.
        """
        model = build_saved(self.config.model, self.label_map, self.passport)
        load_weights(model, self.checkpoint.weights(), self.path)
        return model.to(device).eval()


def build_saved(config: ModelConfig, label_map: LabelMap, passport: Passport) -> Classifier:
    """A classifier for weights that are loaded afterwards, made for that preprocessing."""
    model = build_network(config, label_map.num_classes)
    adopt_passport(model.backbone, passport)
    named = replace(model.backbone.passport, label_map=passport.label_map)
    model.backbone.passport = named
    return model


def read_classifier(path: str | Path, overrides: Sequence[str] = ()) -> SavedClassifier:
    """Read a checkpoint file, or of a run's folder the best checkpoint, or the last one where none
    was scored. `overrides` such as `test.views=ten` change its settings.
    """
    saved = read_run(path, ClassificationConfig, TASK, overrides)
    label_map, passport = read_metadata(saved.checkpoint)
    return SavedClassifier(saved.checkpoint, saved.config, label_map, passport)


def write_weights(model: Classifier, recipe: str, path: Path) -> None:
    """Write the classifier's weights with their passport, which says how they were trained."""
    passport = replace(model.backbone.passport, recipe=recipe)
    save_weights(path, model.state_dict(), passport, commit=find_commit() or "")
