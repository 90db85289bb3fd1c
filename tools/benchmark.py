#!/usr/bin/env python3
"""Ours beside the field's own tools, in turn and in one process; equal outputs are checked first.

tools/benchmark.py evaluation
tools/benchmark.py data --images COCO/val2017
tools/benchmark.py detection --images COCO/val2017 --detector RUN
tools/benchmark.py backbones

Prints the figures and writes them to benchmarks/results/NAME.json and NAME.md. Exit status 1:
outputs differ, nothing was timed; 2: the command is wrong.
"""

import argparse
import sys
from pathlib import Path

from resnet_backbones.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
sys.path.insert(0, str(ROOT))  # benchmarks/ is part of the repository and not installed


def main() -> None:
    """Parse the arguments and run one benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    benchmarks = parser.add_subparsers(
        dest="benchmark", required=True, metavar="detection|evaluation|data|backbones"
    )
    _detection(
        benchmarks.add_parser(
            "detection", help="Faster R-CNN R50-FPN against torchvision and detectron2"
        )
    )
    _evaluation(
        benchmarks.add_parser("evaluation", help="COCO's twelve numbers against pycocotools")
    )
    _data(
        benchmarks.add_parser(
            "data", help="decode, resize and flip against torchvision's PIL pipeline"
        )
    )
    _backbones(benchmarks.add_parser("backbones", help="ResNet-50 against torchvision and timm"))
    given = parser.parse_args()
    from benchmarks.common import OutputsDifferError
    from benchmarks.run import run_benchmark

    try:
        print(run_benchmark(given))
    except OutputsDifferError as error:
        parser.exit(1, f"outputs differ, nothing was timed: {error}\n")
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


def _detection(parser: argparse.ArgumentParser) -> None:
    _images(parser, "8")
    parser.add_argument(
        "--detector",
        help=(
            "checkpoint or run's folder of a ResNet-50 detector trained here; without "
            "it the weights are random, and bf16 is timed only once its boxes can be checked"
        ),
    )
    parser.add_argument(
        "--detectron2", type=Path, metavar="PATH", help="a built source tree of detectron2"
    )
    parser.add_argument(
        "--short-edge", type=int, default=800, help="shorter image side in pixels (default: 800)"
    )
    parser.add_argument(
        "--long-edge", type=int, default=1333, help="longest image side in pixels (default: 1333)"
    )
    parser.add_argument(
        "--batch", type=int, help="images a call in inference (default: 1; on a GPU 16)"
    )
    parser.add_argument(
        "--train-batch", type=int, help="images a training step (default: 2; on a GPU 16)"
    )
    parser.add_argument(
        "--compile", action="store_true", help="time ours in bf16 under torch.compile too"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    _common(parser, rounds=5)


def _evaluation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of val2017's size (default: 1)"
    )
    _common(parser, rounds=3)


def _data(parser: argparse.ArgumentParser) -> None:
    _images(parser, "48")
    parser.add_argument(
        "--short-edge", type=int, default=800, help="shorter image side in pixels (default: 800)"
    )
    _common(parser, rounds=5, threads=1)


def _backbones(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbone", default="resnet50", help="a ResNet that all three have (default: resnet50)"
    )
    parser.add_argument(
        "--size", type=int, default=224, help="side of the images in pixels (default: 224)"
    )
    parser.add_argument("--batch", type=int, default=8, help="images a call (default: 8)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    _common(parser, rounds=7)


def _images(parser: argparse.ArgumentParser, count: str) -> None:
    parser.add_argument("--images", type=Path, required=True, help="folder of real photographs")
    parser.add_argument(
        "--count", type=int, default=int(count), help=f"use the first so many (default: {count})"
    )


def _common(parser: argparse.ArgumentParser, *, rounds: int, threads: int | None = None) -> None:
    parser.add_argument(
        "--rounds", type=int, default=rounds, help=f"rounds that count (default: {rounds})"
    )
    shown = "as many as the libraries take" if threads is None else threads
    parser.add_argument("--threads", type=int, default=threads, help=f"threads (default: {shown})")
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        help="folder of the results (default: benchmarks/results)",
    )


if __name__ == "__main__":
    main()
