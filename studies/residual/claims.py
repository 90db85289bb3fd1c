"""All claims of the papers that the page lists."""

from __future__ import annotations

from studies.residual.claims_of_depth import CONVERGENCE, DEGRADATION, DEPTH, RESNET, SIGNALS
from studies.residual.claims_of_parts import COLUMNS, IDENTITY, ORDERS, SHORTCUTS
from studies.residual.verdicts import Claim, Elsewhere

CLAIMS: tuple[Claim, ...] = (
    *DEGRADATION,
    *CONVERGENCE,
    *DEPTH,
    *SHORTCUTS,
    *SIGNALS,
    *ORDERS,
    *COLUMNS,
)
"""Claims that a study tests, in the order of the page."""
ELSEWHERE: tuple[Elsewhere, ...] = (
    Elsewhere(
        text="On ImageNet plain-34 is worse than plain-18, and ResNet-34 better than ResNet-18",
        source=f"{RESNET}, table 2",
        published="28.54 and 27.94 %; 25.03 and 27.88 %",
        needs="ImageNet: `backbones train plain34_paper`, `resnet34_paper` and their like",
    ),
    Elsewhere(
        text="Bottlenecks go deeper: 50, 101 and 152 layers",
        source=f"{RESNET}, table 3",
        published="22.85, 21.75 and 21.43 %",
        needs="ImageNet: `backbones train resnet152_paper` and its like",
    ),
    Elsewhere(
        text="1202 layers train as well as 110, and overfit",
        source=f"{RESNET}, table 6",
        published="7.93 and 6.43 %",
        needs="70 times the arithmetic of ResNet-20: `model.backbone=resnet1202`",
    ),
    Elsewhere(
        text="Full pre-activation gains most at 1001 layers",
        source=f"{IDENTITY}, table 3",
        published="7.61 and 4.92 %",
        needs="37 times the arithmetic of ResNet-20: `backbones train cifar_resnetv2_1001`",
    ),
    Elsewhere(
        text="ResNet-101 in place of VGG-16 in Faster R-CNN gains 28 % of the box AP on COCO",
        source=f"{RESNET}, table 8",
        published="mAP@[.5, .95] 21.2 and 27.2 %; mAP@.5 41.5 and 48.4 %",
        needs="COCO: `backbones train faster_rcnn_r101` and `faster_rcnn_vgg16_fpn`",
    ),
)
