#!/usr/bin/env python3
"""What a backbone is and costs: levels, parameters, MACs and FLOPs, activations and memory by
stage.

tools/describe.py resnet50
tools/describe.py vgg16 --size 512 --markdown
tools/describe.py timm:convnext_tiny --json
tools/describe.py resnet34 --option shortcut=C
"""

import argparse

from resnet_backbones.errors import UserError


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="registered backbone, or timm:MODEL")
    parser.add_argument(
        "--size", type=int, help="image side in pixels (default: 224, or 32 for CIFAR nets)"
    )
    parser.add_argument(
        "--classes", type=int, default=1000, help="classes of the classifier (default: 1000)"
    )
    parser.add_argument(
        "--stride-in",
        choices=("3x3", "1x1"),
        default="3x3",
        help=(
            "convolution of a bottleneck with the stride: 3x3 is v1.5 (default), 1x1 the paper's v1"
        ),
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the family's options; may be repeated",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print a Markdown table")
    form.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if given.size is not None and given.size < 1:
        parser.error(f"--size must be >= 1, got {given.size}")
    if any("=" not in entry for entry in given.option):
        parser.error("--option takes NAME=VALUE")
    try:
        from resnet_backbones.analysis.complexity import measure
        from resnet_backbones.convert import parse_fields
        from resnet_backbones.registry import make_options

        options = make_options(given.name, parse_fields(given.option))
        costs = measure(
            given.name,
            size=given.size,
            num_classes=given.classes,
            stride_in=given.stride_in,
            options=options,
        )
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    print(costs.to_markdown() if given.markdown else costs.to_json() if given.json else costs)


if __name__ == "__main__":
    main()
