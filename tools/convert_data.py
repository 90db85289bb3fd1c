#!/usr/bin/env python3
"""Convert Pascal VOC folders, Ultralytics data.yaml trees and CSV files of boxes to COCO JSON, the
format that training reads.

tools/convert_data.py voc DATA/VOC2007 train.json --split trainval
tools/convert_data.py yolo DATA/data.yaml train.json --split train
tools/convert_data.py csv boxes.csv train.json --images photos \\
    --columns file=image,label=kind,x1=left,y1=top,w=w,h=h
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("convert", __doc__)
