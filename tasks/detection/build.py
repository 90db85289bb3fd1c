"""Build the detector that training starts with: from its own checkpoint, from another one, or from
backbone weights, also those in a checkpoint of another task.
"""

from __future__ import annotations

from tasks.detection.config import DetectionConfig, ModelConfig
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.detection.saved import TASK
from tasks.engine.saved import saved_config
from tasks.engine.start import Start
from tasks.labels import LabelMap
from tasks.vision.backbone import backbone_source, refuse_other_backbone
from tasks.vision.load_pretrained import SCRATCH, load_pretrained
from tasks.vision.saved import read_metadata

CONFIGURE = (
    "set model.backbone, model.norm, model.pyramid_channels, model.anchors.ratios and model.roi to"
    " the values it was trained with"
)


def build_detector(
    config: ModelConfig, label_map: LabelMap, start: Start
) -> tuple[FasterRCNN, str]:
    """Build the detector on the CPU, and a line about the loaded weights.

    A resumed run loads nothing here: the training loop restores its checkpoint.
    """
    classes = label_map.num_classes
    source = start.checkpoint
    if source is None:
        model = build_faster_rcnn(config, classes)
        return model, str(model.backbone.report or SCRATCH)
    if source.metadata.get("task") != TASK and not start.resumed:
        model = build_faster_rcnn(config, classes, found=backbone_source(source))
        return model, str(model.backbone.report)
    old_label_map, passport = read_metadata(source)
    old_config = saved_config(source, DetectionConfig, TASK).model
    if start.resumed:
        model = build_faster_rcnn(config, classes, passport=passport)
        return model, f"weights: {source.path}"
    notes = compare_networks(old_config, config, str(source.path))
    model = build_faster_rcnn(config, classes, passport=passport)
    report = load_pretrained(
        model,
        source.weights(),
        old_label_map,
        label_map,
        what="detector",
        settings=CONFIGURE,
    )
    return model, "; ".join([str(report), *notes])


def compare_networks(old: ModelConfig, new: ModelConfig, path: str) -> list[str]:
    """Refuse weights of another network, as their tensors may fit by chance; return notes on other
    differences.

    UserError for another backbone, and if only one of both has group norms.
    """
    refuse_other_backbone(old, new, path)
    if old.anchors == new.anchors:
        return []
    anchors = f"anchors of sizes {list(old.anchors.sizes)} and ratios {list(old.anchors.ratios)}"
    return [f"note: its proposal head was trained for {anchors}; now they are others"]
