#!/usr/bin/env python3
"""Look through a data set before training: files, records, boxes, classes, anchors, leaks; exit
status 1 on errors.

tools/check_data.py FOLDER                        COCO's layout or Roboflow's, as data.root
tools/check_data.py IMAGES ANNOTATIONS.json       one file tools/check_data.py my.yaml
data.root=FOLDER      as tools/train_det.py is given its data tools/check_data.py
data.train.images=IMAGES data.train.annotations=TRAIN.json --fix FIXED.json --html check.html
"""

import argparse
import sys

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help=(
            "a folder; a folder and a JSON file; or a settings file and section.key=value, either"
            " alone too"
        ),
    )
    parser.add_argument(
        "--fix",
        metavar="OUT.json",
        help="write a corrected file; of two splits OUT_train and OUT_val",
    )
    parser.add_argument(
        "--html", metavar="OUT.html", help="write a page with thumbnails of the worst findings"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="name every finding instead of the first ten of each kind",
    )
    given = parser.parse_intermixed_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # names may hold half characters
    try:
        from tasks.detection.check import check_data

        shown = None if given.all else 10
        report, text = check_data(given.data, shown=shown, fix=given.fix, page=given.html)
    except (UserError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(text)
    sys.exit(1 if report.errors else 0)


if __name__ == "__main__":
    main()
