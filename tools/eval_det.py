#!/usr/bin/env python3
"""COCO box scores of a checkpoint on any data set, or of anybody's results file; writes them and a
report.html.

tools/eval_det.py runs/shapes data.val.images=IMAGES data.val.annotations=GT.json
tools/eval_det.py --results DETECTIONS.json --annotations GT.json
"""

import argparse
from pathlib import Path

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkpoint", nargs="?", help="checkpoint file, or a run's folder for its best checkpoint"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="section.key=value",
        help=(
            "settings that replace the checkpoint's, such as data.root, model.roi.score_threshold,"
            " run.device, run.precision; tools/train_det.py --help lists all"
        ),
    )
    parser.add_argument("--results", help="COCO results JSON to score instead of a checkpoint")
    parser.add_argument("--annotations", help="COCO annotations that --results are of")
    parser.add_argument(
        "--images", help="folder of their images, for the report (default: the annotations' folder)"
    )
    parser.add_argument(
        "--out",
        help=(
            "folder for what is written (default: evaluation/ beside the checkpoint, or the"
            " results' own folder)"
        ),
    )
    given = parser.parse_intermixed_args()
    if (given.checkpoint is None) == (given.results is None):
        parser.error("give either a checkpoint or --results")
    if (given.results is None) != (given.annotations is None):
        parser.error(
            "--results and --annotations go together; a checkpoint takes data.val.annotations=FILE"
        )
    if given.images is not None and given.results is None:
        parser.error("--images goes with --results; a checkpoint takes data.val.images=FOLDER")
    try:
        if given.results is not None:
            from tasks.cli.evaluate import evaluate_results

            print(evaluate_results(given.results, given.annotations, given.out, given.images))
        else:
            from tasks.engine.run_files import find_checkpoint

            find_checkpoint(Path(given.checkpoint))
            from tasks.detection.evaluate import (
                evaluate_checkpoint,
            )  # once the file is known to be there

            report = evaluate_checkpoint(given.checkpoint, given.overrides, given.out)
            if report is not None:  # rank 0
                print(report)
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
