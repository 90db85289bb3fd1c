#!/usr/bin/env python3
"""Detect objects in images, classify or segment them with a trained network; writes pictures
and results.

tools/predict.py runs/shapes photo.jpg more/photos --out found
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("predict", __doc__)
