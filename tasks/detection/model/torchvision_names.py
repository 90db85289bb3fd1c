"""Convert detector weights of torchvision to our names, so that training can start from its
released detectors.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tasks.vision.foreign_names import rename_tensors

_PREFIXES = (
    ("backbone.body.", "backbone."),
    *(
        (f"backbone.fpn.inner_blocks.{index}.0.", f"pyramid.lateral.c{index + 2}.")
        for index in range(4)
    ),
    *(
        (f"backbone.fpn.inner_blocks.{index}.", f"pyramid.lateral.c{index + 2}.")
        for index in range(4)
    ),
    *(
        (f"backbone.fpn.layer_blocks.{index}.0.", f"pyramid.smooth.c{index + 2}.")
        for index in range(4)
    ),
    *(
        (f"backbone.fpn.layer_blocks.{index}.", f"pyramid.smooth.c{index + 2}.")
        for index in range(4)
    ),
    ("rpn.head.conv.0.0.", "rpn.conv."),
    ("rpn.head.conv.", "rpn.conv."),
    ("rpn.head.cls_logits.", "rpn.objectness."),
    ("rpn.head.bbox_pred.", "rpn.offsets."),
    ("roi_heads.box_head.", "box_head."),
    ("roi_heads.box_predictor.cls_score.", "box_head.classes."),
    ("roi_heads.box_predictor.bbox_pred.", "box_head.offsets."),
)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a `torchvision.models.detection.fasterrcnn_resnet*_fpn` (not v2).

    torchvision puts the background first and gives it offsets; here it is last and has none. So
    class c of torchvision becomes label c - 1. The released COCO_V1 weights need norms with epsilon
    0, which a state dict does not contain: build the model with a passport of norm_eps=0. Raises
    UserError with the first name that has no place here.
    """
    converted = rename_tensors(state, _PREFIXES, "torchvision's fasterrcnn_resnet*_fpn")
    for kind in ("weight", "bias"):
        converted[f"box_head.classes.{kind}"] = converted[f"box_head.classes.{kind}"].roll(
            -1, dims=0
        )
        converted[f"box_head.offsets.{kind}"] = converted[f"box_head.offsets.{kind}"][4:].clone()
    return converted
