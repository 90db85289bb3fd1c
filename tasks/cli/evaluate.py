"""`backbones eval`: scores of a run, or of anybody's results file.  Imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.cli.command import Command, add_force
from tasks.cli.recipes import ENDINGS
from tasks.cli.registry import BOXES, TASKS, saved_task
from tasks.cli.train import read_recipe
from tasks.engine.run_files import OURS, find_checkpoint, is_shipped


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        nargs="?",
        metavar="RUN",
        help="a run's folder (its best checkpoint), a checkpoint file, or ours:shapes; for a"
        " classifier or segmenter also a recipe's file with model.weights=FILE",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="section.key=value",
        help="settings that replace the checkpoint's, such as data.root, run.device, run.precision;"
        " `backbones train RECIPE --help` shows all",
    )
    parser.add_argument("--results", help="COCO results JSON to score instead of a checkpoint")
    parser.add_argument("--annotations", help="COCO annotations to score --results against")
    parser.add_argument(
        "--images", help="folder of their images, for the report (default: the annotations' folder)"
    )
    parser.add_argument(
        "--max-detections",
        type=int,
        help="detections per class and image of --results that are scored (default: 100, as COCO)",
    )
    parser.add_argument(
        "--out",
        help="output folder (default: evaluation/ beside the checkpoint, or the"
        " results' own folder)",
    )
    add_force(parser)


def _check(arguments: Namespace, parser: ArgumentParser) -> None:
    if (arguments.checkpoint is None) == (arguments.results is None):
        parser.error("give either a RUN or --results")
    if (arguments.results is None) != (arguments.annotations is None):
        parser.error(
            "--results and --annotations go together; a RUN takes data.val.annotations=FILE"
        )
    if arguments.images is not None and arguments.results is None:
        parser.error("--images goes with --results; a RUN takes data.val.images=FOLDER")
    if arguments.max_detections is not None and arguments.results is None:
        parser.error("--max-detections goes with --results; a RUN takes data.scored_detections=N")


def _run(arguments: Namespace, parser: ArgumentParser) -> None:
    _check(arguments, parser)
    out = arguments.out
    if arguments.results is not None:
        task = TASKS[arguments.task or BOXES]
        if task.results is None:
            raise UserError(f"--results must be detections, not results of {task.name}")
        limit = arguments.max_detections
        limited = {} if limit is None else {"limit": limit}
        places = (arguments.results, arguments.annotations, out, arguments.images)
        print(task.results(*places, force=arguments.force, **limited).closing)
        return
    if arguments.checkpoint.endswith(ENDINGS):
        _score_weights(arguments)
        return
    find_checkpoint(Path(arguments.checkpoint))  # answers before torch is imported
    task = saved_task(arguments.checkpoint) if arguments.task is None else TASKS[arguments.task]
    if out is None and is_shipped(arguments.checkpoint):  # nothing is written beside it
        out = f"runs/{arguments.checkpoint.removeprefix(OURS)}/evaluation"
    report = task.evaluate(arguments.checkpoint, arguments.overrides, out, force=arguments.force)
    if report is not None:  # on the first rank
        print(report.closing)


def _score_weights(arguments: Namespace) -> None:
    """Score the weights that a recipe's file names."""
    task, config = read_recipe(arguments.checkpoint, arguments.overrides, arguments.task)
    if task.evaluate_settings is None:
        rule = f"to score a network of {task.name}, give its run or checkpoint"
        raise UserError(f"{rule}, got the settings {arguments.checkpoint}")
    report = task.evaluate_settings(config, arguments.out, force=arguments.force)
    if report is not None:
        print(report.closing)


COMMAND = Command(
    name="eval",
    summary="Score a run on any data set, or a COCO results file.",
    details="Writes evaluation.json and report.html, and detections.json, predictions.csv"
    " or pixels.npz, depending on the task.",
    examples="""
backbones eval runs/quickstart
backbones eval runs/quickstart data.val.images=IMAGES data.val.annotations=GT.json
backbones eval runs/cifar_resnet20 test.flip=true
backbones eval configs/resnet50_paper.yaml data.root=IMAGENET model.weights=resnet50.pth
backbones eval configs/deeplabv3_r50_voc.yaml data.root=VOC model.head.aspp_channels=256 \\
    model.weights=torchvision:deeplabv3_resnet50.COCO_WITH_VOC_LABELS_V1
backbones eval --results DETECTIONS.json --annotations GT.json
""",
    add_arguments=_add_arguments,
    run=_run,
)
