"""Build the segmenter that training starts with: from its own checkpoint, another one, weights, or
from scratch.
"""

from __future__ import annotations

from resnet_backbones.weights.sources import read_source
from tasks.engine.saved import saved_config
from tasks.engine.start import Start
from tasks.labels import LabelMap
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.saved import TASK
from tasks.vision.backbone import backbone_source, refuse_other_backbone
from tasks.vision.load_pretrained import SCRATCH, load_pretrained
from tasks.vision.saved import read_metadata
from tasks.vision.semantic.segmenter import SegmentationNetwork, build_segmenter
from tasks.vision.semantic.weights import CONFIGURE, segmenter_from_weights
from tasks.vision.settings_semantic import SemanticModelConfig


def make_segmenter(
    config: SemanticModelConfig, label_map: LabelMap, start: Start
) -> tuple[SegmentationNetwork, str]:
    """Build the segmenter on the CPU, and a line about the loaded weights.

    A resumed run loads nothing here: the training loop restores its checkpoint.
    """
    classes = label_map.num_classes
    checkpoint = start.checkpoint
    if checkpoint is None and config.weights is not None:
        return segmenter_from_weights(config, label_map, read_source(config.weights))
    if checkpoint is None:
        return build_segmenter(config, classes), SCRATCH
    if checkpoint.metadata.get("task") != TASK and not start.resumed:
        model = build_segmenter(config, classes, found=backbone_source(checkpoint))
        return model, str(model.backbone.report)
    old_map, passport = read_metadata(checkpoint)
    old = saved_config(checkpoint, SegmentationConfig, TASK).model
    model = build_segmenter(config, classes, passport=passport)
    if start.resumed:
        return model, f"weights: {checkpoint.path}"
    refuse_other_backbone(old, config, str(checkpoint.path))
    state = checkpoint.weights()
    report = load_pretrained(model, state, old_map, label_map, what="segmenter", settings=CONFIGURE)
    return model, f"{checkpoint.path}: {report}"
