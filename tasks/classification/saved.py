"""Read a trained classifier from its checkpoint with settings, classes and passport."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from resnet_backbones.classifier import Classifier
from resnet_backbones.weights.loading import adopt_passport
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.saving import save_weights
from tasks.classification.config import ClassificationConfig, ModelConfig
from tasks.classification.network import build_network
from tasks.engine.environment import find_commit
from tasks.labels import LabelMap
from tasks.vision.saved import SavedNetwork

TASK = ClassificationConfig.task


@dataclass(frozen=True)
class SavedClassifier(SavedNetwork[ClassificationConfig, Classifier]):
    """A checkpoint of a classifier with the settings to use it with."""

    SETTINGS: ClassVar = ClassificationConfig

    def make(self) -> Classifier:
        """Build the classifier; weights are loaded afterwards."""
        return build_saved(self.config.model, self.label_map, self.passport)


def build_saved(config: ModelConfig, label_map: LabelMap, passport: Passport) -> Classifier:
    """Build a classifier with that preprocessing; weights are loaded afterwards."""
    model = build_network(config, label_map.num_classes)
    adopt_passport(model.backbone, passport)
    named = replace(model.backbone.passport, label_map=passport.label_map)
    model.backbone.passport = named
    return model


def write_weights(model: Classifier, recipe: str, path: Path) -> None:
    """Write the classifier's weights with their passport, which records their training."""
    passport = replace(model.backbone.passport, recipe=recipe)
    save_weights(path, model.state_dict(), passport, commit=find_commit() or "")
