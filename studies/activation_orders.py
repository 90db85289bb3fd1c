#!/usr/bin/env python3
"""Which order of norm, ReLU and addition is best, and what may a shortcut do but pass on?  He et
al. 2016, Identity Mappings, tables 2 and 1.

studies/activation_orders.py --budget cpu --data cifar10
studies/activation_orders.py --budget cpu --data cifar10 --list    what it would do, and how far

The orders (a) original, (b) norm_after, (c) relu_before, (d) relu_only and (e) full; and in the
original order, shortcuts that are scaled by 0.5 as the branch is, gated with the branch or alone
(biases of -6), 1x1 convolutions, or dropped out by 0.5.

cpu    3 epochs of 10,000 training images, three seeds, nets of 20 layers: about 25 minutes of two
       cores in bf16; `--only` for some of the networks
gpu    20 epochs of all 50,000, three seeds, nets of 56 layers
paper  64,000 steps of 128 images, five seeds, nets of 110 layers; a learning rate of 0.01 for the
       first 400 steps

A study that was stopped or killed goes on when it is started again.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

# studies/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studies.residual.command import run_command
from studies.residual.schedules import PART, of_part, paper, stretched, warm_up
from studies.residual.study import Budget, Settings, Study

ORDERS = ("original", "norm_after", "relu_before", "relu_only", "full")
SHORTCUTS: dict[str, Settings] = {
    "constant": ("gate=constant", "shortcut_scale=0.5", "branch_scale=0.5"),
    "exclusive_gate": ("gate=exclusive", "gate_bias=-6"),
    "shortcut_gate": ("gate=shortcut_only", "gate_bias=-6"),
    "conv1x1": ("shortcut=C",),
    "dropout": ("gate=dropout", "dropout=0.5"),
}
WARM_UP = warm_up(until=0.01, metric="val/top1")
"""Until the first evaluation, whose top-1 is never below that."""


def networks(depth: int) -> Mapping[str, Settings]:
    """The settings of every order and shortcut, on nets of so many layers."""
    options: dict[str, Settings] = {order: (f"order={order}",) for order in ORDERS}
    options |= {name: ("order=original", *own) for name, own in SHORTCUTS.items()}
    return {
        name: (f"model.backbone=resnetv2_{depth}", *(f"model.options.{option}" for option in own))
        for name, own in options.items()
    }


STUDY = Study(
    name="activation_orders",
    title="Activation orders and shortcuts that are not the identity",
    question="Which order of norm, ReLU and addition is best? And do scaled, gated, convolved or"
    " dropped shortcuts do as well as the identity, all in the original order?",
    budgets={
        "cpu": Budget(
            schedule=of_part(3),
            networks=networks(20),
            seeds=3,
            train_images=PART,
            train_scored=2_000,
            test_scored=2_000,
        ),
        "gpu": Budget(
            schedule=stretched(20, evaluations=20, precision="auto"),
            networks=networks(56),
            seeds=3,
            train_scored=10_000,
        ),
        "paper": Budget(
            schedule=paper().but("but a learning rate of 0.01 for the first 400 steps", *WARM_UP),
            networks=networks(110),
            seeds=5,
            train_scored=10_000,
        ),
    },
)

if __name__ == "__main__":
    run_command(STUDY, __doc__)
