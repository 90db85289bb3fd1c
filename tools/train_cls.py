#!/usr/bin/env python3
"""Train an image classifier, and score it.

tools/train_cls.py configs/resnet50_paper.yaml data.root=/path/to/imagenet
torchrun --nproc-per-node 8 tools/train_cls.py configs/resnet50_paper.yaml data.root=/imagenet
tools/train_cls.py configs/cifar_resnet20.yaml --help     all settings, with this recipe's values
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("train", __doc__, task="classification")
