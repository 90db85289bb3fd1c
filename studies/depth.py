#!/usr/bin/env python3
"""Do deeper residual nets err less?  He et al. 2016, table 6.

studies/depth.py --budget cpu --data cifar10
studies/depth.py --budget cpu --data cifar10 --list      what it would do, and how far it is

ResNets of 20, 32, 44 and 56 layers; 110 too at the paper's schedule, with the paper's warm-up.

cpu    4 epochs of 10,000 training images, three seeds: about 25 minutes of two cores in bf16
gpu    40 epochs of all 50,000, three seeds
paper  64,000 steps of 128 images, five seeds

A study that was stopped or killed goes on when it is started again.
"""

import sys
from pathlib import Path

# studies/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studies.residual.command import run_command
from studies.residual.schedules import PART, of_part, paper, stretched, warm_up
from studies.residual.study import Budget, Study

NETWORKS = {f"resnet{depth}": (f"model.backbone=resnet{depth}",) for depth in (20, 32, 44, 56)}
WARM_UP = warm_up(until=0.2, metric="train/top1")
DEEPEST = {"resnet110": ("model.backbone=resnet110", *WARM_UP)}
STUDY = Study(
    name="depth",
    title="Depth",
    question="Do deeper residual nets have lower errors?",
    budgets={
        "cpu": Budget(
            schedule=of_part(4),
            networks=NETWORKS,
            seeds=3,
            train_images=PART,
            train_scored=2_000,
            test_scored=2_000,
        ),
        "gpu": Budget(
            schedule=stretched(40, evaluations=20, precision="auto"),
            networks=NETWORKS,
            seeds=3,
            train_scored=10_000,
        ),
        "paper": Budget(
            schedule=paper().but("resnet110 at 0.01 until its training error is below 80 %"),
            networks={**NETWORKS, **DEEPEST},
            seeds=5,
            train_scored=10_000,
        ),
    },
)

if __name__ == "__main__":
    run_command(STUDY, __doc__)
