"""`backbones predict`: a trained network on image files.  Imports nothing heavy."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.cli.command import Command
from tasks.cli.registry import saved_task
from tasks.engine.run_files import find_checkpoint


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        metavar="RUN",
        help="a run's folder, for its best checkpoint, a checkpoint file, or ours:shapes, a"
        " detector of drawn shapes that comes with the package",
    )
    parser.add_argument("images", nargs="+", help="image files and folders of them")
    parser.add_argument("--out", required=True, help="folder for what is written")
    parser.add_argument(
        "--score",
        type=float,
        help="lowest score or probability to draw and write, from 0 to 1 (default: 0.5 for"
        " detections, 0 for classes; a segmenter has none)",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)"
    )
    parser.add_argument(
        "--precision", choices=("auto", "bf16", "fp32"), default="auto", help="default: auto"
    )


def _check_sources(sources: Sequence[str]) -> None:
    """UserError for a source without images."""
    from tasks.images import find_images

    for source in sources:
        if "://" in source:
            raise UserError(f"images are files or folders, got the address {source}; download it")
        find_images(Path(source))


def _run(arguments: Namespace, _: ArgumentParser) -> int:
    score = arguments.score
    if score is not None and not 0 <= score <= 1:
        raise UserError(f"--score must be from 0 to 1, got {score:g}")
    find_checkpoint(Path(arguments.checkpoint))
    _check_sources(arguments.images)  # answered before torch is imported
    task = saved_task(arguments.checkpoint)
    from tasks.engine.threads import settle_threads

    settle_threads(arguments.device)
    predictor = task.load(
        arguments.checkpoint, device=arguments.device, precision=arguments.precision
    )
    problems = task.predict(predictor, arguments.images, arguments.out, score=score)
    if not problems:
        return 0
    many = len(problems) > 1
    heading = f"{len(problems)} files were left out:" if many else "1 file was left out:"
    print("\n".join((heading, *problems)), file=sys.stderr)
    return 1


COMMAND = Command(
    name="predict",
    summary="Find objects in images, classify or segment them.",
    details="Writes predictions.json with annotated pictures of objects or a CSV of classes; of a"
    " segmenter, overlays and PNGs whose values are labels.",
    examples="""
backbones shapes data/shapes && backbones predict ours:shapes data/shapes/val --out found
backbones predict runs/quickstart data/shapes/val --out found
backbones predict runs/quickstart photo.jpg more/photos --out found --score 0.7
""",
    add_arguments=_add_arguments,
    run=_run,
)
