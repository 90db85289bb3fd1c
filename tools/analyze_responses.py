#!/usr/bin/env python3
"""Layer responses of networks (He et al. 2016, fig. 7), signal norms by depth, residual over
identity: tables and PNG.

tools/analyze_responses.py resnet50 vgg16_bn --images IMAGES --out runs/responses
tools/analyze_responses.py resnet50=weights.safetensors
"""

import argparse
from pathlib import Path

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="+", metavar="NAME[=WEIGHTS]", help="registered backbones, or timm:MODEL"
    )
    parser.add_argument("--images", type=Path, help="folder of images (default: noise)")
    parser.add_argument("--count", type=int, default=16, help="number of images (default: 16)")
    parser.add_argument("--size", type=int, default=224, help="image side in pixels (default: 224)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of random weights and noise (default: 0)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/responses"), help="folder (default: runs/responses)"
    )
    given = parser.parse_args()
    if min(given.count, given.size) < 2:
        parser.error(f"--count and --size must be >= 2, got {given.count} and {given.size}")
    try:
        from resnet_backbones.analysis.study import study_responses

        settings = {
            "images": given.images,
            "count": given.count,
            "size": given.size,
            "seed": given.seed,
        }
        print(study_responses(given.names, given.out, **settings))
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
