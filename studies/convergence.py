#!/usr/bin/env python3
"""Do residual nets converge faster than plain ones?  He et al. 2016, section 4.1 and figure 4.

studies/convergence.py --budget cpu --data cifar10
studies/convergence.py --budget cpu --data cifar10 --list      what it would do, and how far it is

Plain and residual nets of 20 and 32 layers, scored often. Those of 56 layers are in
studies/degradation.py, by whose curves they are judged.

cpu    5 epochs of 10,000 training images, three seeds, scored every half epoch: about 20 minutes
       of two cores in bf16
gpu    20 epochs of all 50,000, three seeds, scored every half epoch
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
    name: (f"model.backbone={name}",) for name in ("plain20", "resnet20", "plain32", "resnet32")
}
STUDY = Study(
    name="convergence",
    title="Convergence",
    question="Do residual nets converge faster than plain ones of the same depth, at first? Early"
    " is after a quarter of the training; the mean is over the whole way.",
    budgets={
        "cpu": Budget(
            schedule=of_part(5, evaluations=10),
            networks=NETWORKS,
            seeds=3,
            train_images=PART,
            train_scored=2_000,
            test_scored=1_000,
        ),
        "gpu": Budget(
            schedule=stretched(20, evaluations=40, precision="auto"),
            networks=NETWORKS,
            seeds=3,
            train_scored=10_000,
        ),
        "paper": Budget(schedule=paper(), networks=NETWORKS, seeds=5, train_scored=10_000),
    },
    measures=("early training error", "mean training error", "training error", "test error"),
)

if __name__ == "__main__":
    run_command(STUDY, __doc__)
