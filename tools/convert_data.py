#!/usr/bin/env python3
"""Pascal VOC folders, Ultralytics data.yaml trees and CSV files of boxes to COCO JSON, the format
that training reads.

tools/convert_data.py voc DATA/VOC2007 train.json --split trainval tools/convert_data.py yolo
DATA/data.yaml train.json --split train tools/convert_data.py csv boxes.csv train.json --images
photos --columns file=image,label=kind,x1=left,y1=top,w=w,h=h
"""

import argparse
from typing import TYPE_CHECKING

from resnet_backbones.errors import UserError

if TYPE_CHECKING:
    from tasks.datasets.convert.writing import Converted


def main() -> None:
    """Parse the arguments and convert."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        from tasks.datasets.convert.writing import write_coco

        print(write_coco(_read(arguments), arguments.out))
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


def _read(given: argparse.Namespace) -> "Converted":
    if given.kind == "yolo":
        from tasks.datasets.convert.yolo import read_yolo

        return read_yolo(given.input, split=given.split)
    if given.kind == "csv":
        from tasks.datasets.convert.csv_boxes import read_csv

        return read_csv(
            given.input,
            images=given.images,
            categories=given.categories,
            columns=given.columns,
            origin=given.origin,
        )
    from tasks.datasets.convert.voc import read_voc

    return read_voc(
        given.input,
        split=given.split,
        images=given.images,
        categories=given.categories,
        origin=given.origin,
        difficult=given.difficult,
    )


def _parser() -> argparse.ArgumentParser:
    shown = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shown)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="voc|yolo|csv")
    voc = kinds.add_parser(
        "voc", help="folder with Annotations/, JPEGImages/, ImageSets/Main/; or XML beside images"
    )
    yolo = kinds.add_parser("yolo", help="data.yaml with images/ and labels/; boxes or outlines")
    table = kinds.add_parser("csv", help="one box a row, with a header")
    for kind, source in (
        (voc, "the folder"),
        (yolo, "data.yaml, or its folder"),
        (table, "the CSV file"),
    ):
        kind.add_argument("input", metavar="IN", help=source)
        kind.add_argument("out", metavar="OUT.json", help="COCO JSON to write")
    voc.add_argument("--split", help="a list in ImageSets/Main, such as trainval, or all")
    voc.add_argument(
        "--difficult",
        choices=("ignore", "keep", "drop"),
        default="ignore",
        help=(
            "objects marked difficult: neither scored nor learnt (default; iscrowd 1), ordinary"
            " objects, or left out"
        ),
    )
    yolo.add_argument(
        "--split", default="train", help="train (default), val or test, as data.yaml names them"
    )
    for kind, origin, what in (
        (voc, 1, "JPEGImages or the folder"),
        (table, 0, "the CSV's folder"),
    ):
        kind.add_argument("--images", help=f"folder of the images (default: {what})")
        kind.add_argument(
            "--categories",
            type=_names,
            help="names in the order of their ids, a,b,c (default: all names, sorted)",
        )
        kind.add_argument(
            "--box-origin",
            dest="origin",
            type=int,
            choices=(0, 1),
            default=origin,
            help=(
                "1: corners are pixels counted from 1, both inside the box, as VOC defines; 0:"
                f" they are points, and the image starts at 0 (default {origin})"
            ),
        )
    table.add_argument(
        "--columns",
        type=_pairs,
        help="the header's names: file=…,label=…,x1=…,y1=… and x2=…,y2=… or w=…,h=…",
    )
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pairs(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {ours.strip(): name.strip() for ours, _, name in pairs}


if __name__ == "__main__":
    main()
