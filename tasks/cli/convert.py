"""`backbones convert`: other annotations to COCO JSON.  Imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.cli.command import Command, add_force
from tasks.engine.commands import command
from tasks.outputs import Outputs

if TYPE_CHECKING:
    from tasks.datasets.convert.writing import Converted


def _add_arguments(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="voc|yolo|csv|labelme|cvat")
    voc = kinds.add_parser(
        "voc", help="folder with Annotations/, JPEGImages/, ImageSets/Main/; or XML beside images"
    )
    yolo = kinds.add_parser("yolo", help="data.yaml with images/ and labels/; boxes or outlines")
    table = kinds.add_parser("csv", help="one box a row, with a header")
    labelme = kinds.add_parser("labelme", help="folder of Labelme's JSON files; outlines and masks")
    cvat = kinds.add_parser("cvat", help="XML of `CVAT for images 1.1`; outlines and masks")
    _add_files(voc, "the folder")
    _add_files(yolo, "data.yaml, or its folder")
    _add_files(table, "the CSV file")
    _add_files(labelme, "the folder")
    _add_files(cvat, "annotations.xml")
    voc.add_argument("--split", help="a list in ImageSets/Main, such as trainval, or all")
    voc.add_argument(
        "--difficult",
        choices=("ignore", "keep", "drop"),
        default="ignore",
        help="objects marked difficult: ignored in training and scoring (default; iscrowd 1),"
        " ordinary objects, or left out",
    )
    yolo.add_argument(
        "--split", default="train", help="train (default), val or test, as data.yaml names them"
    )
    _add_names(labelme, "the folder that the files name", "all names, sorted")
    _add_names(cvat, "beside the file or in images/", "the file's labels")
    _add_boxes(voc, "JPEGImages or the folder", 1)
    _add_boxes(table, "the CSV's folder", 0)
    table.add_argument(
        "--columns",
        type=_pairs,
        help="the header's names: file=…,label=…,x1=…,y1=… and x2=…,y2=… or w=…,h=…",
    )


def _add_files(kind: ArgumentParser, source: str) -> None:
    kind.add_argument("input", metavar="IN", help=source)
    kind.add_argument("out", metavar="OUT.json", help="COCO JSON to write")
    add_force(kind)


def _add_boxes(kind: ArgumentParser, images: str, origin: int) -> None:
    """Add options for formats that do not state images, classes or the first pixel's number."""
    _add_names(kind, images, "all names, sorted")
    kind.add_argument(
        "--box-origin",
        dest="origin",
        type=int,
        choices=(0, 1),
        default=origin,
        help="1: corners are pixels counted from 1, both inside the box, as VOC defines; 0: they"
        f" are points, and the image starts at 0 (default: {origin})",
    )


def _add_names(kind: ArgumentParser, images: str, categories: str) -> None:
    """Add options for formats that do not state images or classes."""
    kind.add_argument("--images", help=f"folder of the images (default: {images})")
    kind.add_argument(
        "--categories",
        type=_names,
        help=f"names in the order of their ids, a,b,c (default: {categories})",
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pairs(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {ours.strip(): name.strip() for ours, _, name in pairs}


def _read(arguments: Namespace) -> Converted:
    if arguments.kind == "yolo":
        from tasks.datasets.convert.yolo import read_yolo

        return read_yolo(arguments.input, split=arguments.split)
    if arguments.kind == "csv":
        from tasks.datasets.convert.csv_boxes import read_csv

        return read_csv(
            arguments.input,
            images=arguments.images,
            categories=arguments.categories,
            columns=arguments.columns,
            origin=arguments.origin,
        )
    names = {"images": arguments.images, "categories": arguments.categories}
    if arguments.kind == "labelme":
        from tasks.datasets.convert.labelme import read_labelme

        return read_labelme(arguments.input, **names)
    if arguments.kind == "cvat":
        from tasks.datasets.convert.cvat import read_cvat

        return read_cvat(arguments.input, **names)
    from tasks.datasets.convert.voc import read_voc

    return read_voc(
        arguments.input,
        split=arguments.split,
        images=arguments.images,
        categories=arguments.categories,
        origin=arguments.origin,
        difficult=arguments.difficult,
    )


def _run(arguments: Namespace, _: ArgumentParser) -> None:
    from tasks.datasets.convert.writing import write_coco

    out = Path(arguments.out).expanduser()
    given = Path(arguments.input).expanduser()
    read = given.is_file() or arguments.kind == "labelme"  # whose files are JSON too
    inputs = (given,) if read else ()
    outputs = Outputs(by="convert", force=arguments.force, inputs=inputs, endings=(".json",))
    with outputs.owning(out):
        converted = _read(arguments)
        check, train = command("check"), command("train")
        print(write_coco(converted, out, check_command=check, train_command=train))


COMMAND = Command(
    name="convert",
    summary="Convert other annotations to COCO JSON.",
    details="Reads VOC, YOLO, CSV, Labelme and CVAT, and writes the format that training reads.",
    examples="""
backbones convert voc DATA/VOC2007 train.json --split trainval
backbones convert yolo DATA/data.yaml train.json --split train
backbones convert csv boxes.csv train.json --columns file=image,label=kind,x1=left,y1=top,w=w,h=h
backbones convert labelme FOLDER train.json
backbones convert cvat annotations.xml train.json --images FOLDER
""",
    add_arguments=_add_arguments,
    run=_run,
    has_kinds=True,
)
