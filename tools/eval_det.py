#!/usr/bin/env python3
"""Score the boxes of a checkpoint on any data set, or of anybody's results file; writes COCO's
scores and a report.html.

tools/eval_det.py runs/shapes data.val.images=IMAGES data.val.annotations=GT.json
tools/eval_det.py --results DETECTIONS.json --annotations GT.json
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("eval", __doc__, task="detection")
