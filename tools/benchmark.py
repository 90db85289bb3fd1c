#!/usr/bin/env python3
"""Time our code and other libraries in turn in one process, after checking for equal outputs.

tools/benchmark.py evaluation
tools/benchmark.py data --images COCO/val2017
tools/benchmark.py detection --images COCO/val2017 --detector RUN
tools/benchmark.py backbones
tools/benchmark.py classifier --images COCO/val2017
tools/benchmark.py segmentation

Prints the figures and writes them to benchmarks/results/NAME.json and NAME.md. Exit status 1:
outputs differ and nothing was timed; 2: the command is wrong.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # benchmarks/ is part of the repository and not installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.run import main

    main(__doc__)
