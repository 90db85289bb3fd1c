#!/usr/bin/env python3
"""Make the report.html of a run or an evaluation again, from its files.

tools/report.py runs/shapes
"""

import argparse

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "run", help="folder with the evaluation.json of a run, or of tools/eval_det.py"
    )
    parser.add_argument(
        "--images", help="folder of the images, where they are no longer where they were scored"
    )
    given = parser.parse_args()
    try:
        from tasks.report.instances.build import remake_report

        print(f"written: {remake_report(given.run, given.images)}")
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
