#!/usr/bin/env python3
"""Score a classifier's checkpoint, or a file of weights, on any data set; writes the accuracy and
a report.html.

tools/eval_cls.py runs/cifar_resnet20 test.flip=true
tools/eval_cls.py configs/resnet50_paper.yaml data.root=IMAGENET model.weights=resnet50.pth
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("eval", __doc__, task="classification")
