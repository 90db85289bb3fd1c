#!/usr/bin/env python3
"""Are identity shortcuts enough, or do projections help?  He et al. 2016, table 3.

studies/shortcuts.py --budget cpu --data cifar10
studies/shortcuts.py --budget cpu --data cifar10 --list      what it would do, and how far it is

ResNet-20 with shortcuts of type A (zeros are padded where the shape changes), B (projections
there) and C (projections everywhere), and plain-20, which has none.

cpu    7 epochs of 10,000 training images, three seeds: about 20 minutes of two cores in bf16
gpu    40 epochs of all 50,000, three seeds
paper  64,000 steps of 128 images, five seeds

A study that was stopped or killed goes on when it is started again.
"""

import sys
from pathlib import Path

# studies/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studies.residual.command import run_command
from studies.residual.schedules import PART, of_part, paper, stretched
from studies.residual.study import Budget, Study

NETWORKS = {
    "plain20": ("model.backbone=plain20",),
    "resnet20-A": ("model.backbone=resnet20", "model.options.shortcut=A"),
    "resnet20-B": ("model.backbone=resnet20", "model.options.shortcut=B"),
    "resnet20-C": ("model.backbone=resnet20", "model.options.shortcut=C"),
}
STUDY = Study(
    name="shortcuts",
    title="Shortcuts",
    question="Are shortcuts without parameters enough (A), or do projections help, where the shape"
    " changes (B) or everywhere (C)?",
    budgets={
        "cpu": Budget(
            schedule=of_part(7),
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
        "paper": Budget(schedule=paper(), networks=NETWORKS, seeds=5, train_scored=10_000),
    },
)

if __name__ == "__main__":
    run_command(STUDY, __doc__)
