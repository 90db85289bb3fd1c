#!/usr/bin/env python3
"""Write the report.html of a run or an evaluation again, from its files.

tools/report.py runs/shapes
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("report", __doc__)
