#!/usr/bin/env python3
"""Do local response normalisation, depth, and layers of 1x1 and of 3x3 help a VGG?  Simonyan and
Zisserman 2015, tables 1 and 3.

studies/vgg_columns.py --budget cpu --data cifar10
studies/vgg_columns.py --budget cpu --data cifar10 --list      what it would do, and how far it is

Columns A, A-LRN, B, C, D and E without batch norm, as in the paper, for images of 32 pixels, of
which the five poolings leave one cell. The classifier is one linear layer on it, in place of three
of 4,096 on 7 x 7 cells. Weights start by He et al. 2015, without which D and E would not start.

cpu    12 epochs of 10,000 training images, three seeds; nets of a quarter of the paper's width, so
       that it takes 20 minutes: 16 to 128 channels. Learning rate 0.02
gpu    40 epochs of all 50,000, three seeds, the paper's width. Learning rate 0.02
paper  64,000 steps of 128 images, five seeds; learning rate 0.01 and weight decay 0.0005 as in
       section 3.1, divided by 10 where He et al. do, as CIFAR-10 is not in the paper

A study that was stopped or killed goes on when it is started again.
"""

import sys
from pathlib import Path

# studies/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studies.residual.command import run_command
from studies.residual.schedules import PART, of_part, paper, stretched
from studies.residual.study import Budget, Study

COLUMNS = {
    "A": "vgg11",
    "A-LRN": "vgg11_lrn",
    "B": "vgg13",
    "C": "vgg16_c",
    "D": "vgg16",
    "E": "vgg19",
}
NETWORKS = {
    column: (f"model.backbone={name}", "model.options.head=mean")
    for column, name in COLUMNS.items()
}
NARROW = {column: (*settings, "model.options.width=16") for column, settings in NETWORKS.items()}
LEARNING_RATE = 0.02
STUDY = Study(
    name="vgg_columns",
    title="The columns of VGG",
    question="Does local response normalisation help (A and A-LRN), does depth (A, B and E), and do"
    " layers of 1x1 (C) or of 3x3 (D)?",
    budgets={
        "cpu": Budget(
            schedule=of_part(12, evaluations=6, learning_rate=LEARNING_RATE),
            networks=NARROW,
            seeds=3,
            train_images=PART,
            train_scored=2_000,
            test_scored=2_000,
        ),
        "gpu": Budget(
            schedule=stretched(40, evaluations=20, precision="auto", learning_rate=LEARNING_RATE),
            networks=NETWORKS,
            seeds=3,
            train_scored=10_000,
        ),
        "paper": Budget(
            schedule=paper().but(
                "but a learning rate of 0.01 and a weight decay of 0.0005",
                "optim.lr=0.01",
                "optim.weight_decay=0.0005",
            ),
            networks=NETWORKS,
            seeds=5,
            train_scored=10_000,
        ),
    },
)

if __name__ == "__main__":
    run_command(STUDY, __doc__)
