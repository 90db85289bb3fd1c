#!/usr/bin/env python3
"""Draw a small COCO-format data set of shapes, deterministic, in seconds and without a download.

tools/make_shapes.py data/shapes
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("shapes", __doc__)
