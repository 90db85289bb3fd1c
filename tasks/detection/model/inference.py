"""Prepare a detector for inference."""

from __future__ import annotations

from torch import nn

from resnet_backbones.fold import fold_norms
from tasks.detection.model.box_head import BoxHead
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.vision.inference import use_bf16_weights


def for_inference(model: FasterRCNN, *, bf16: bool = False) -> FasterRCNN:
    """Copy a detector in evaluation mode, with all work done that batches would repeat; not for
    training.

    Constant norms are folded into their convolutions, and fc6 reads gathered RoI features without a
    copy. With `bf16`, for use under autocast alone, the weights are in bf16 where autocast would
    convert them. Later changes of the model do not reach the copy.
    """
    copy = fold_norms(model)
    kept_fp32: set[nn.Module] = set()
    for head in copy.modules():
        if isinstance(head, BoxHead):
            kept_fp32 |= {head.classes, head.offsets}
            if head.roi_align.gathers(head.fc7.weight):
                head.expect_channels_last()
    if bf16:
        use_bf16_weights(copy, kept_fp32)
    return copy
