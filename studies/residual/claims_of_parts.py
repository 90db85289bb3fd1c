"""Claims about the parts of a net: shortcuts, activation orders, VGG's columns."""

from __future__ import annotations

from functools import partial

from studies.residual.claims_of_depth import RESNET, TEST
from studies.residual.verdicts import Claim

IDENTITY = "He et al. 2016, Identity Mappings"
VGG = "Simonyan and Zisserman 2015, table 3"

_shortcut = partial(
    Claim,
    source=f"{RESNET}, table 3",
    published="34 layers on ImageNet: none 28.54 %, A 25.03 %, B 24.52 %, C 24.19 %",
    study="shortcuts",
    measure=TEST,
)
_order = partial(
    Claim,
    source=f"{IDENTITY}, table 2",
    study="activation_orders",
    measure=TEST,
    smaller="original",
)
_ablation = partial(
    Claim,
    source=f"{IDENTITY}, table 1",
    study="activation_orders",
    measure=TEST,
    smaller="original",
)
_column = partial(
    Claim,
    source=VGG,
    published="ImageNet at 256 pixels: A 29.6 %, A-LRN 29.7 %, B 28.7 %, C 28.1 %, D 27.0 %,"
    " E 27.3 %",
    study="vgg_columns",
    measure=TEST,
)

SHORTCUTS = (
    _shortcut(
        text="Shortcuts without parameters (A) give a lower test error than none",
        larger="plain20",
        smaller="resnet20-A",
    ),
    _shortcut(
        text="Identity is enough: projections everywhere (C) gain at most a point on A, and take"
        " 5 % more multiply-adds (42.65 and 40.55 million)",
        larger="resnet20-C",
        smaller="resnet20-A",
        margin=-1.0,
    ),
    _shortcut(
        text="Projections where sizes change (B) are slightly better than A",
        larger="resnet20-A",
        smaller="resnet20-B",
    ),
    _shortcut(
        text="Projections everywhere (C) are slightly better than B",
        larger="resnet20-B",
        smaller="resnet20-C",
    ),
)
ORDERS = (
    Claim(
        text="Full pre-activation (e) has a lower test error than the original order (a)",
        source=f"{IDENTITY}, table 2",
        published="110 layers: 6.37 and 6.61 %; 164 layers: 5.46 and 5.93 %",
        study="activation_orders",
        measure=TEST,
        larger="original",
        smaller="full",
    ),
    _order(
        text="… and outside very deep nets the gain is less than a point",
        published="110 layers 0.24 points, 164 layers 0.47, 1001 layers 2.69 (table 3)",
        larger="full",
        margin=-1.0,
    ),
    _order(
        text="A norm after the addition (b) has a higher test error than (a)",
        published="8.17 and 6.61 %",
        larger="norm_after",
    ),
    _order(
        text="A ReLU before the addition (c) has a higher test error than (a)",
        published="7.84 and 6.61 %",
        larger="relu_before",
    ),
    Claim(
        text="ReLU-only pre-activation (d) is at most a point above (a)",
        source=f"{IDENTITY}, table 2",
        published="6.71 and 6.61 %",
        study="activation_orders",
        measure=TEST,
        larger="original",
        smaller="relu_only",
        margin=-1.0,
    ),
    _ablation(
        text="What is not the identity does worse as a shortcut: scaled by 0.5",
        published="12.35 and 6.61 %",
        larger="constant",
    ),
    _ablation(text="… exclusive gates", published="8.70 and 6.61 %", larger="exclusive_gate"),
    _ablation(
        text="… gates on the shortcut alone", published="6.91 and 6.61 %", larger="shortcut_gate"
    ),
    _ablation(text="… 1x1 convolutions", published="12.22 and 6.61 %", larger="conv1x1"),
    _ablation(text="… dropout of 0.5", published="does not converge, and 6.61 %", larger="dropout"),
)
COLUMNS = (
    _column(
        text="Local response normalisation does not help: A-LRN is at most a point better than A",
        larger="A-LRN",
        smaller="A",
        margin=-1.0,
    ),
    _column(text="Depth helps: B has a lower test error than A", larger="A", smaller="B"),
    _column(text="… E than A", larger="A", smaller="E"),
    _column(text="Layers of 1x1 help: C has a lower test error than B", larger="B", smaller="C"),
    _column(text="Layers of 3x3 help more: D has a lower one than C", larger="C", smaller="D"),
)
