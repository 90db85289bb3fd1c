"""`backbones predict`: a trained network on image files.  Imports nothing heavy."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_backbones.errors import UserError
from tasks.cli.command import Command, add_force
from tasks.cli.inputs import FETCHED, Inputs, check_words, gather, read_list
from tasks.cli.registry import Task, saved_task
from tasks.engine.run_files import find_checkpoint
from tasks.files import check_writable
from tasks.outputs import PREDICT, Outputs

if TYPE_CHECKING:
    from tasks.engine.sinks import Console


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        metavar="RUN",
        help="a run's folder (its best checkpoint), a checkpoint file, or ours:shapes, a"
        " detector of drawn shapes that comes with the package",
    )
    parser.add_argument(
        "images",
        nargs="*",
        metavar="INPUT",
        help="image and video files, folders of images, patterns in quotes, http(s) addresses, and"
        " - for an image that comes through standard input",
    )
    parser.add_argument(
        "--from-list",
        metavar="FILE",
        help="file with further inputs, one a line; - for standard input",
    )
    parser.add_argument(
        "--private-addresses",
        action="store_true",
        help="fetch from this machine and from private networks too",
    )
    parser.add_argument("--out", required=True, help="output folder")
    parser.add_argument(
        "--score",
        type=float,
        help="lowest score or probability to draw and write, from 0 to 1 (default: 0.5 for"
        " detections, 0 for classes; a segmenter has none)",
    )
    add_force(parser)
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)"
    )
    parser.add_argument(
        "--precision", choices=("auto", "bf16", "fp32"), default="auto", help="default: auto"
    )


def _run(arguments: Namespace, _: ArgumentParser) -> int:
    score = arguments.score
    if score is not None and not 0 <= score <= 1:
        raise UserError(f"--score must be from 0 to 1, got {score:g}")
    checkpoint = find_checkpoint(Path(arguments.checkpoint))
    words = read_list(arguments.images, arguments.from_list)
    check_words(words)  # answered before torch is imported
    check_writable(Path(arguments.out))
    task = saved_task(arguments.checkpoint)
    from tasks.engine.threads import settle_threads

    settle_threads(arguments.device)
    predictor = task.load(
        arguments.checkpoint, device=arguments.device, precision=arguments.precision
    )
    outputs = replace(
        PREDICT,
        force=arguments.force,
        inputs=(checkpoint,),
        settings=f"{checkpoint.resolve()} and --score {score}",
    )
    addresses = sum("://" in word for word in words)
    if addresses:
        print(f"fetching from {addresses} addresses", flush=True)
    inputs = gather(
        words,
        Path(arguments.out) / FETCHED,
        private=arguments.private_addresses,
        force=arguments.force,
    )
    problems = [*inputs.problems, *_predict(task, predictor, inputs, arguments, outputs)]
    if not problems:
        return 0
    many = len(problems) > 1
    heading = f"{len(problems)} files were left out:" if many else "1 file was left out:"
    print("\n".join((heading, *problems)), file=sys.stderr)
    return 1


def _predict(
    task: Task, predictor: object, inputs: Inputs, arguments: Namespace, outputs: Outputs
) -> list[str]:
    """Predict on images, then on videos; return the problems."""
    from tasks.engine.sinks import Console

    console = Console()
    problems: list[str] = []
    if inputs.images:
        console.open_bar(0, inputs.count_images(), "image")

        def report(line: str) -> None:
            console.note(line)
            console.advance()

        out = arguments.out
        problems += task.predict(
            predictor,
            inputs.images,
            out,
            score=arguments.score,
            report=report,
            outputs=outputs,
        )
        console.close_bar()
    if inputs.videos:
        problems += _predict_videos(task, predictor, inputs.videos, arguments, console, outputs)
    return problems


def _predict_videos(
    task: Task,
    predictor: object,
    videos: Sequence[Path],
    arguments: Namespace,
    console: Console,
    outputs: Outputs,
) -> Sequence[str]:
    from tasks.vision.predict_video import predict_videos

    score = arguments.score
    if score is not None and task.score is None:
        raise UserError(
            f"--score is for results with scores, got {score} for {task.name}; leave it out"
        )
    least = (task.score or 0.0) if score is None else score
    out = arguments.out
    return predict_videos(
        predictor,
        videos,
        out,
        score=least,
        track=console.track,
        report=console.note,
        outputs=outputs,
    )


COMMAND = Command(
    name="predict",
    summary="Find objects in images and videos, or classify them.",
    details="Writes predictions.json with annotated pictures of objects or a CSV of classes; for a"
    " segmenter, overlays and PNGs of labels; for a video, NAME_annotated.mp4 and"
    " NAME_predictions.json.",
    examples="""
backbones shapes data/shapes && backbones predict ours:shapes data/shapes/val --out found
backbones predict runs/quickstart data/shapes/val --out found
backbones predict runs/quickstart photo.jpg more/photos --out found --score 0.7
backbones predict runs/quickstart clip.mp4 'photos/**/*.jpg' --out found
backbones predict runs/quickstart https://example.com/photo.jpg --out found
ssh camera snapshot | backbones predict runs/quickstart - --out found
""",
    add_arguments=_add_arguments,
    run=_run,
)
