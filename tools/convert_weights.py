#!/usr/bin/env python3
"""Rewrite a weights file in the names of another library; ends with the largest difference of the
features.

tools/convert_weights.py R-50.pkl r50.safetensors --to torchvision
tools/convert_weights.py r50.safetensors r50_rgb.pth --to mmdet --channel-order rgb
"""

import argparse
from pathlib import Path

from resnet_backbones.errors import UserError

DIALECTS = ("torchvision", "timm", "detectron2", "caffe2", "mmdet")


def main() -> None:
    """Parse the arguments and convert."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "source", metavar="IN", help=".safetensors, torch.save file or pickle of arrays"
    )
    parser.add_argument(
        "target",
        metavar="OUT",
        type=Path,
        help=".safetensors, .pth or .pkl; all carry the passport",
    )
    parser.add_argument("--from", dest="from_dialect", choices=("auto", *DIALECTS), default="auto")
    parser.add_argument("--to", dest="to_dialect", choices=DIALECTS, required=True)
    parser.add_argument(
        "--architecture", help="backbone of the file, if names and shapes do not tell"
    )
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="replace a beginning of names; may be repeated",
    )
    parser.add_argument(
        "--passport",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="what the file's origin is known to be",
    )
    parser.add_argument(
        "--channel-order", choices=("rgb", "bgr"), help="reorder the first convolution's channels"
    )
    folding = parser.add_mutually_exclusive_group()
    folding.add_argument(
        "--fold-std", dest="fold", action="store_const", const="std", help="fold the division in"
    )
    folding.add_argument(
        "--fold-mean-std", dest="fold", action="store_const", const="mean-std", help="if exact"
    )
    given = parser.parse_args()
    if any("=" not in entry for entry in [*given.rename, *given.passport]):
        parser.error("--rename takes OLD=NEW, --passport FIELD=VALUE")
    if not Path(given.source).is_file():
        parser.exit(2, f"error: IN must be an existing file, got {given.source}\n")
    try:
        from resnet_backbones.convert import convert_weights, parse_fields

        report = convert_weights(
            Path(given.source),
            given.target,
            from_dialect=given.from_dialect,
            to_dialect=given.to_dialect,
            architecture=given.architecture,
            rename=[tuple(entry.split("=", 1)) for entry in given.rename],
            passport_fields=parse_fields(given.passport),
            channel_order=given.channel_order,
            fold=given.fold,
        )
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    print(report)


if __name__ == "__main__":
    main()
