#!/usr/bin/env python3
"""Compare runs or evaluations on the same ground truth: for two, scores with intervals, classes
and settings that differ; for more, a table, and with --html a page with their curves.

tools/compare.py runs/one runs/other
tools/compare.py runs/* --html compare.html
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("compare", __doc__)
