"""`backbones check` and `backbones shapes`: a data set before training.  Imports nothing heavy."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from tasks.cli.command import Command, add_force
from tasks.cli.recipes import list_recipes
from tasks.cli.registry import BOXES, TASKS, Task, find_task

SHOWN = 10


def _check_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="a folder; a folder and a JSON file; or a recipe or settings file,"
        " section.key=value, or both",
    )
    parser.add_argument(
        "--fix",
        metavar="OUT.json",
        help="write a corrected file; for two splits OUT_train and OUT_val",
    )
    parser.add_argument(
        "--html",
        metavar="OUT.html",
        help="write a page: random annotated images, charts of classes and sizes, the findings",
    )
    add_force(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="list every finding instead of the first ten of each kind",
    )


def _with_paths(data: Sequence[str]) -> list[str]:
    """Replace names of recipes by their files, unless a file or folder has that name."""
    recipes = {recipe.name: str(recipe.path) for recipe in list_recipes()}
    return [word if Path(word).exists() else recipes.get(word, word) for word in data]


def _task_of(data: Sequence[str]) -> Task:
    """Find the task: by the settings file among the arguments, otherwise by the content of the
    folder, otherwise detection.
    """
    for word in data:
        if Path(word).is_dir() and len(data) == 1 and not _has_annotations(Path(word)):
            return _holding(Path(word))
        if Path(word).is_file() and Path(word).suffix in (".yaml", ".yml"):
            from tasks.engine.config_text import read_yaml

            return find_task(read_yaml(Path(word)).get("task", BOXES), word)
    return TASKS[BOXES]


def _holding(folder: Path) -> Task:
    """Return the first task that recognises a folder's data as its own, or detection."""
    for task in TASKS.values():
        if task.holds_data is not None and task.holds_data(folder):
            return task
    return TASKS[BOXES]


def _has_annotations(folder: Path) -> bool:
    """Whether annotations of boxes are where their layouts have them."""
    usual = ("annotations/instances_*.json", "*/_annotations.coco.json")
    return any(any(folder.glob(pattern)) for pattern in usual)


def _check(arguments: Namespace, _: ArgumentParser) -> int:
    # names may hold halves of characters
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    data = _with_paths(arguments.data)
    shown = None if arguments.all else SHOWN
    report, text = _task_of(data).check(
        data, shown=shown, fix=arguments.fix, page=arguments.html, force=arguments.force
    )
    print(text)
    return 1 if report.errors else 0


def _shapes_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "out",
        metavar="OUT",
        help="folder to make; it must be empty, absent, or hold the same data set",
    )
    parser.add_argument("--train", type=int, default=400, help="training images (default: 400)")
    parser.add_argument("--val", type=int, default=100, help="validation images (default: 100)")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of the drawing; another seed gives other pictures (default: 0)",
    )
    parser.add_argument(
        "--size", type=int, default=192, help="longer image side in pixels (default: 192)"
    )
    parser.add_argument(
        "--classes",
        action="store_true",
        help="write class folders for a classifier instead: a picture of each object in those"
        " images, OUT/train/CLASS/*.png and OUT/val/CLASS/*.png",
    )


def _shapes(arguments: Namespace, _: ArgumentParser) -> None:
    from tasks.datasets.shapes.writing import draw_classes, draw_shapes

    draw = draw_classes if arguments.classes else draw_shapes
    counts = {"train": arguments.train, "val": arguments.val}
    print(draw(arguments.out, **counts, seed=arguments.seed, size=arguments.size))


CHECK = Command(
    name="check",
    summary="Check a data set before training.",
    details="Looks at files, records, boxes, masks, classes, anchors and leaks.  Exit status 1:"
    " errors.",
    examples="""
backbones check FOLDER                              COCO's layout or Roboflow's, folders of classes
                                                    in train/ and val/, or of images and masks,
                                                    as data.root
backbones check IMAGES ANNOTATIONS.json             one file
backbones check quickstart data.root=FOLDER         as `backbones train` is given its data
backbones check semantic_fpn_r50_ade20k data.root=ADE20K     masks and the names of their values
backbones check IMAGES TRAIN.json --fix FIXED.json --html check.html
""",
    add_arguments=_check_arguments,
    run=_check,
)
SHAPES = Command(
    name="shapes",
    summary="Draw a small data set of shapes, as COCO or class folders.",
    details="Takes seconds and needs no download; the same arguments give the same bytes.",
    examples="""
backbones shapes data/shapes                        COCO's layout, for detectors and segmenters
backbones shapes data/shape_classes --classes       class folders, for a classifier
""",
    add_arguments=_shapes_arguments,
    run=_shapes,
)
