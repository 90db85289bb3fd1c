#!/usr/bin/env python3
"""Draw a small COCO-format data set of shapes, deterministic, in seconds and without a download."""

import argparse

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "out", help="folder to make; it must be empty, absent, or hold the same data set"
    )
    parser.add_argument("--train", type=int, default=400, help="training images")
    parser.add_argument("--val", type=int, default=100, help="validation images")
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed draws other pictures of the same kind"
    )
    parser.add_argument("--size", type=int, default=192, help="longer image side in pixels")
    arguments = parser.parse_args()
    from tasks.datasets.shapes.writing import draw_shapes

    try:
        print(draw_shapes(**vars(arguments)))
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
