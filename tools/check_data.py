#!/usr/bin/env python3
"""Check a data set before training: files, records, boxes, classes, anchors, leaks; exit status 1
on errors.

tools/check_data.py FOLDER                        COCO's layout or Roboflow's, as data.root
tools/check_data.py IMAGES ANNOTATIONS.json       one file
tools/check_data.py my.yaml data.root=FOLDER      as tools/train_det.py is given its data
tools/check_data.py IMAGES TRAIN.json --fix FIXED.json --html check.html
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("check", __doc__)
