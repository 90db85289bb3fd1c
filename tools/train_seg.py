#!/usr/bin/env python3
"""Train a semantic segmenter, and score it.

tools/train_seg.py configs/semantic_fpn_r50_coco.yaml data.root=/path/to/coco
torchrun --nproc-per-node 8 tools/train_seg.py configs/semantic_fpn_r50_coco.yaml data.root=/coco
tools/train_seg.py configs/quickstart_seg.yaml --help     all settings, with this recipe's values
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("train", __doc__, task="segmentation")
