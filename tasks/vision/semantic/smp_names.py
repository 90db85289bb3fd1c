"""Convert weights of an FPN of segmentation_models_pytorch (smp) to our names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tasks.vision.foreign_names import rename_tensors

_LEVELS = ((0, 5), (1, 4), (2, 3), (3, 2))  # theirs count from the coarsest, p5
_PREFIXES = (
    ("encoder.", "backbone."),
    ("decoder.p5.", "pyramid.lateral.c5."),
    *((f"decoder.p{level}.skip_conv.", f"pyramid.lateral.c{level}.") for level in (2, 3, 4)),
    *(
        (f"decoder.seg_blocks.{place}.block.{block}.block.", f"head.branches.p{level}.{block}.")
        for place, level in _LEVELS
        for block in range(3)
    ),
    ("segmentation_head.0.", "head.predictor."),
)


def from_smp(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a `segmentation_models_pytorch.FPN` on a torchvision-like ResNet.

    It gives the same results with the head settings smooth=false, upsample=bilinear_corners, and
    merge as its `decoder_merge_policy`. Raises UserError with the first name that has no place
    here.
    """
    return rename_tensors(state, _PREFIXES, "smp's FPN on a ResNet")
