#!/usr/bin/env python3
"""COCO box scores of a checkpoint on any data set, or of anybody's results file; writes evaluation.json.

tools/eval_det.py runs/shapes data.val.images=IMAGES data.val.annotations=GT.json
tools/eval_det.py --results DETECTIONS.json --annotations GT.json
"""

import argparse
from pathlib import Path


def main() -> None:
    """Parse the arguments and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", help="checkpoint file, or a run's folder for its best checkpoint")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="section.key=value",
        help="settings that replace the checkpoint's, such as data.root, model.roi.score_threshold, run.device, "
        "run.precision; tools/train_det.py --help lists all",
    )
    parser.add_argument("--results", help="COCO results JSON to score instead of a checkpoint")
    parser.add_argument("--annotations", help="COCO annotations that --results are of")
    parser.add_argument(
        "--out",
        help="folder for evaluation.json (default: evaluation/ beside the checkpoint, or the results' own folder)",
    )
    given = parser.parse_intermixed_args()
    if (given.checkpoint is None) == (given.results is None):
        parser.error("give either a checkpoint or --results")
    if (given.results is None) != (given.annotations is None):
        parser.error("--results and --annotations go together; a checkpoint takes data.val.annotations=FILE")
    try:
        if given.results is not None:
            from tasks.coco_scores import evaluate_results

            print(evaluate_results(given.results, given.annotations, given.out))
        else:
            from tasks.engine.checkpoint_files import find_checkpoint

            find_checkpoint(Path(given.checkpoint))
            from tasks.detection.evaluate import evaluate_checkpoint  # once the file is known to be there

            report = evaluate_checkpoint(given.checkpoint, given.overrides, given.out)
            if report is not None:  # rank 0
                print(report)
    except ValueError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
