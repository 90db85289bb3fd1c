#!/usr/bin/env python3
"""Train Faster R-CNN on COCO-style data, and score it.

tools/train_det.py configs/faster_rcnn_r101.yaml data.root=/path/to/coco
torchrun --nproc-per-node 8 tools/train_det.py configs/faster_rcnn_r101.yaml data.root=/path/to/coco
tools/train_det.py configs/faster_rcnn_r101.yaml --help     all settings, with this recipe's values
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("train", __doc__, task="detection")
