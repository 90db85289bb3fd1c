#!/usr/bin/env python3
"""Compare two runs or evaluations on the same ground truth: scores with intervals, classes,
settings that differ.

tools/compare.py runs/one runs/other
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("compare", __doc__)
