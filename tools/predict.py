#!/usr/bin/env python3
"""Find objects in images with a trained detector; writes annotated pictures and
predictions.json.
"""

import argparse
import sys
from pathlib import Path

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and predict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "checkpoint", help="checkpoint file, or a run's folder for its best checkpoint"
    )
    parser.add_argument("images", nargs="+", help="image files and folders of them")
    parser.add_argument("--out", required=True, help="folder for the pictures and predictions.json")
    parser.add_argument(
        "--score", type=float, default=0.5, help="lowest score to draw and write (default 0.5)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default auto)")
    parser.add_argument(
        "--precision", choices=("auto", "bf16", "fp32"), default="auto", help="default auto"
    )
    given = parser.parse_intermixed_args()
    try:
        from tasks.engine.run_files import find_checkpoint

        find_checkpoint(Path(given.checkpoint))
        from tasks.detection.predict import load_detector  # once the file is known to be there
        from tasks.detection.predict_files import predict_files

        detector = load_detector(given.checkpoint, given.device, given.precision)
        problems = predict_files(detector, given.images, given.out, score=given.score)
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    if problems:
        sys.exit("\n".join((f"{len(problems)} files were left out:", *problems)))


if __name__ == "__main__":
    main()
