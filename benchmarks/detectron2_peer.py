"""detectron2's Faster R-CNN with our weights, from its source tree.

The tree need not be installed, but its own dependencies (fvcore, iopath, …) must be.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.agreement import Found
from benchmarks.detectors import Arithmetic, arithmetic, byte_images, dtype_of, make_step
from benchmarks.weights import DetectorWeights
from resnet_backbones.errors import UserError
from tasks.detection.config import ModelConfig, RoiConfig
from tasks.detection.data.batch import DetectionBatch

CONFIG = "configs/COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml"
_NAMES = (  # of detectron2, and what they are here
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.", "backbone.bn1."),
    (r"backbone\.bottom_up\.stem\.", "backbone."),
    (
        r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.norm\.",
        "backbone.layer{0}.{1}.downsample.1.",
    ),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.", "backbone.layer{0}.{1}.downsample.0."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.conv(\d)\.norm\.", "backbone.layer{0}.{1}.bn{2}."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.", "backbone.layer{0}.{1}."),
    (r"backbone\.fpn_lateral(\d)\.", "pyramid.lateral.c{0}."),
    (r"backbone\.fpn_output(\d)\.", "pyramid.smooth.c{0}."),
    (r"proposal_generator\.rpn_head\.conv\.", "rpn.conv."),
    (r"proposal_generator\.rpn_head\.objectness_logits\.", "rpn.objectness."),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.", "rpn.offsets."),
    (r"roi_heads\.box_head\.fc1\.", "box_head.fc6."),
    (r"roi_heads\.box_head\.fc2\.", "box_head.fc7."),
    (r"roi_heads\.box_predictor\.cls_score\.", "box_head.classes."),
    (r"roi_heads\.box_predictor\.bbox_pred\.", "box_head.offsets."),
)


@dataclass
class Detectron2:
    """detectron2's detector as its own tools call it."""

    model: nn.Module
    kind: Arithmetic

    @property
    def dtype(self) -> torch.dtype:
        """Type of most of its computation."""
        return dtype_of(self.kind)

    def detecting(self, batch: DetectionBatch) -> Callable[[], list[Found]]:
        """A call that detects in the batch."""
        inputs = self._inputs(batch)

        def detect() -> list[Found]:
            self.model.eval()
            with torch.no_grad(), arithmetic(self.kind, batch.images.device):
                instances = [found["instances"] for found in self.model(inputs)]
            columns = ((one.pred_boxes.tensor, one.scores, one.pred_classes) for one in instances)
            return [
                Found(boxes.float().cpu(), scores.float().cpu(), labels.cpu())
                for boxes, scores, labels in columns
            ]

        return detect

    def training(self, batch: DetectionBatch) -> Callable[[], None]:
        """A call that makes one training step on the batch."""
        from detectron2.structures import Boxes, Instances
        from detectron2.utils.events import EventStorage

        inputs = self._inputs(batch)
        for one, boxes, labels in zip(inputs, batch.boxes, batch.labels, strict=True):
            size = (one["height"], one["width"])
            one["instances"] = Instances(
                size, gt_boxes=Boxes(boxes[labels >= 0]), gt_classes=labels[labels >= 0]
            )

        def losses() -> list[Tensor]:
            with EventStorage():
                return list(self.model(inputs).values())

        return make_step(self.model, losses, lambda: arithmetic(self.kind, batch.images.device))

    def _inputs(self, batch: DetectionBatch) -> list[dict[str, object]]:
        return [
            {"image": image, "height": image.shape[1], "width": image.shape[2]}
            for image in byte_images(batch)
        ]


def build_detectron2(tree: Path, weights: DetectorWeights, device: torch.device) -> nn.Module:
    """detectron2's R50-FPN from its own config with the weights; UserError if the tree cannot be
    imported.
    """
    file = tree / CONFIG
    if not file.is_file() or weights.model.backbone != "resnet50":
        rule = "--detectron2 must be a source tree of detectron2, and the detector a ResNet-50"
        raise UserError(
            f"{rule}; got {weights.model.backbone}, and {file} is"
            f" {'' if file.is_file() else 'not '}there"
        )
    sys.path.insert(0, str(tree))
    try:
        from detectron2.config import get_cfg
        from detectron2.modeling import build_model
    except ImportError as error:
        raise UserError(
            f"cannot import detectron2 from {tree}: {error}; install what it needs, and build it"
        ) from error
    config = get_cfg()
    config.merge_from_file(str(file))
    config.MODEL.DEVICE = str(device)
    config.MODEL.WEIGHTS = ""
    config.MODEL.RESNETS.STRIDE_IN_1X1 = False
    config.MODEL.ROI_HEADS.NUM_CLASSES = weights.classes
    config.MODEL.ANCHOR_GENERATOR.SIZES = [[float(size)] for size in weights.model.anchors.sizes]
    config.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [list(weights.model.anchors.ratios)]
    white = 255 / weights.passport.value_range
    config.MODEL.PIXEL_MEAN = [value * white for value in weights.passport.mean]
    config.MODEL.PIXEL_STD = [value * white for value in weights.passport.std]
    model: nn.Module = build_model(config)
    model.load_state_dict(to_detectron2(weights.state, model.state_dict()))
    for module in model.modules():
        if type(module).__name__ == "FrozenBatchNorm2d":
            module.eps = weights.passport.norm_eps  # type: ignore[assignment]
    return model.eval()


def detectron2_rules(weights: DetectorWeights) -> ModelConfig:
    """Our settings that match its config: our defaults, and windows sampled according to the size
    of the box.
    """
    model = weights.model
    rules = ModelConfig(
        backbone=model.backbone, norm=model.norm, freeze_through=model.freeze_through
    )
    anchors = replace(rules.anchors, sizes=model.anchors.sizes, ratios=model.anchors.ratios)
    return replace(rules, anchors=anchors, roi=RoiConfig(sampling_ratio=0))


def to_detectron2(state: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under the names in `theirs`; values that detectron2 computes itself are kept."""
    return {name: state.get(_our_name(name), value) for name, value in theirs.items()}


def _our_name(name: str) -> str:
    for pattern, ours in _NAMES:
        if found := re.match(pattern, name):
            numbers = [int(number) for number in found.groups()]
            if "layer" in ours:
                numbers[0] -= 1  # res2 is layer1
            return ours.format(*numbers) + name[found.end() :]
    return name
