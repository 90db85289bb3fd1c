#!/usr/bin/env python3
"""Draw a small data set of shapes, deterministic, in seconds and without a download.

tools/make_shapes.py data/shapes                        COCO's layout, for detectors and segmenters
tools/make_shapes.py data/shape_classes --classes       class folders, for a classifier
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("shapes", __doc__)
