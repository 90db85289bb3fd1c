"""Build the classifier that training starts with: from its own checkpoint, another run's, weights,
or from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resnet_backbones.classifier import Classifier, fill_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.sources import read_source
from tasks.classification.config import ClassificationConfig, ModelConfig
from tasks.classification.network import build_network, describe_use
from tasks.classification.saved import TASK, build_saved
from tasks.engine.checkpoint import load_weights
from tasks.engine.saved import saved_config
from tasks.engine.start import Start
from tasks.labels import LabelMap
from tasks.vision.backbone import backbone_source, refuse_other_backbone
from tasks.vision.class_rows import ClassRows
from tasks.vision.load_pretrained import SCRATCH, load_pretrained
from tasks.vision.saved import read_metadata

CONFIGURE = "set model.backbone, model.norm and model.options to the values it was trained with"


class RowsOfClasses:
    """A classifier, with the names of its tensors that have rows for each class."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def class_rows(self) -> Mapping[str, ClassRows]:
        """Find the head's tensors that would be larger with one more class."""
        own = self.classifier.head.state_dict()
        larger = self.classifier.backbone.classifier_head(self.classifier.num_classes + 1)
        names = [name for name, x in larger.state_dict().items() if x.shape != own[name].shape]
        return {name: ClassRows(per_class=1, background="none") for name in names}

    def state_dict(self) -> dict[str, Any]:
        """All tensors by name."""
        return self.classifier.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> object:
        """Load tensors by name."""
        return self.classifier.load_state_dict(state_dict, strict)


def build_classifier(
    config: ClassificationConfig, label_map: LabelMap, start: Start
) -> tuple[Classifier, str]:
    """Build the classifier on the CPU, and a line about the loaded weights.

    A resumed run loads nothing here: the training loop restores its checkpoint.
    """
    checkpoint = start.checkpoint
    if start.resumed and checkpoint is not None:
        saved_map, passport = read_metadata(checkpoint)
        return build_saved(config.model, saved_map, passport), f"weights: {checkpoint.path}"
    if checkpoint is not None and checkpoint.metadata.get("task") == TASK:
        old_map, passport = read_metadata(checkpoint)
        old_config = saved_config(checkpoint, ClassificationConfig, TASK).model
        refuse_other_backbone(old_config, config.model, str(checkpoint.path))
        old = build_saved(old_config, old_map, passport)
        load_weights(old, checkpoint.weights(), checkpoint.path)
        model, report = _take_over(old, old_map, config.model, label_map)
        report = f"{checkpoint.path}: {report}"
    elif checkpoint is not None:
        model = build_network(config.model, label_map.num_classes)
        fill_classifier(model, backbone_source(checkpoint), str(checkpoint.path), "new")
        report = str(model.backbone.report)
    elif config.model.weights is not None:
        source = read_source(config.model.weights)
        model, report = from_weights(source, config.model, label_map)
    else:
        model = build_network(config.model, label_map.num_classes)
        report = SCRATCH
    model.backbone.passport = describe_use(model.backbone.passport, config, label_map)
    return model, report


def from_weights(
    source: Source, config: ModelConfig, label_map: LabelMap
) -> tuple[Classifier, str]:
    """Build the classifier of a file of weights, with its head used as config.head says."""
    where = str(config.weights)
    names = () if source.passport is None else source.passport.label_map
    known = set(names) & set(label_map.names)
    if config.head == "auto" and known:
        old_map = LabelMap(names, names)
        old = build_network(config, old_map.num_classes)
        fill_classifier(old, source, where)
        return _take_over(old, old_map, config, label_map)
    model = build_network(config, label_map.num_classes)
    fill_classifier(model, source, where, "load" if config.head == "load" else "new")
    return model, str(model.backbone.report)


def _take_over(
    old: Classifier, old_map: LabelMap, config: ModelConfig, label_map: LabelMap
) -> tuple[Classifier, str]:
    """Build a classifier of other classes with the weights of an old one."""
    model = build_saved(config, label_map, old.backbone.passport)
    if config.head == "load" and old.num_classes != label_map.num_classes:
        rule = "model.head=load needs weights of as many classes"
        seen = f"{old.num_classes} for {label_map.num_classes}"
        raise UserError(f"{rule}, got {seen}; use model.head=auto or new")
    if config.head == "load":
        old_map = label_map
    if config.head == "new":
        old_map = LabelMap((), ())
    state = old.state_dict()
    report = load_pretrained(
        RowsOfClasses(model), state, old_map, label_map, what="classifier", settings=CONFIGURE
    )
    return model, str(report)
