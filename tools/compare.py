#!/usr/bin/env python3
"""Compare two runs or evaluations on the same ground truth: scores with intervals, classes,
settings that differ.

tools/compare.py runs/one runs/other
"""

import argparse

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("run_a", "run_b"):
        parser.add_argument(
            name, help="folder with the evaluation.json of a run, or of tools/eval_det.py"
        )
    given = parser.parse_args()
    try:
        from tasks.report.instances.compare import compare_runs

        print(compare_runs(given.run_a, given.run_b))
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
