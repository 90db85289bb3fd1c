#!/usr/bin/env python3
"""Do plain nets get worse with depth, and do shortcuts end that?  He et al. 2016, figure 6.

studies/degradation.py --budget cpu --data cifar10
studies/degradation.py --budget cpu --data cifar10 --list      what it would do, and how far it is

Plain and residual nets of 20 and 56 layers on CIFAR-10. Training error is that of 10,000 training
images, the same for all, without augmentation, in eval mode; all 50,000 and the test set are scored
at the end.

cpu    8 epochs, two seeds. On two cores in bf16 a net of 20 layers trains about 920 images/s and
       one of 56 about 300: 8 and 26 minutes with what is scored, 135 minutes in all. The first
       half of the time is a whole seed of each net.
long   20 epochs of the residual nets alone, two seeds: 165 minutes of two cores. After 8 epochs
       ResNet-56 is still behind ResNet-20.
gpu    40 epochs, three seeds
paper  64,000 steps of 128 images, five seeds; all 50,000 images

A study that was stopped or killed goes on when it is started again. Trainings go to --out, tables
and curves to studies/results, and the section of studies/README.md is written anew after each.
"""

import sys
from pathlib import Path

# studies/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studies.residual.command import run_command
from studies.residual.schedules import paper, stretched
from studies.residual.study import Budget, Study

NETWORKS = {
    name: (f"model.backbone={name}",) for name in ("plain20", "plain56", "resnet20", "resnet56")
}
RESIDUAL = {name: NETWORKS[name] for name in ("resnet20", "resnet56")}
STUDY = Study(
    name="degradation",
    title="Degradation",
    question="Do plain nets get worse with depth, not only in test error but in training error, and"
    " do shortcuts end that?",
    budgets={
        "cpu": Budget(
            schedule=stretched(8, evaluations=8, precision="bf16"),
            networks=NETWORKS,
            seeds=2,
            train_scored=10_000,
            test_scored=2_000,
        ),
        "long": Budget(
            schedule=stretched(20, evaluations=20, precision="bf16"),
            networks=RESIDUAL,
            seeds=2,
            train_scored=10_000,
            test_scored=2_000,
        ),
        "gpu": Budget(
            schedule=stretched(40, evaluations=40, precision="auto"),
            networks=NETWORKS,
            seeds=3,
            train_scored=10_000,
        ),
        "paper": Budget(schedule=paper(), networks=NETWORKS, seeds=5, train_scored=10_000),
    },
)

if __name__ == "__main__":
    run_command(STUDY, __doc__)
