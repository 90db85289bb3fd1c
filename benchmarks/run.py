"""The command line of the benchmarks, which writes a report."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from benchmarks.common import OutputsDifferError, Report
from resnet_backbones.errors import UserError

RESULTS = Path(__file__).resolve().parent / "results"


def main(description: str | None) -> None:
    """Parse the command line and run one benchmark.

    Exit status 1 if outputs differ, 2 if the command is wrong.
    """
    parser = _parser(description)
    given = parser.parse_args()
    try:
        print(run_benchmark(given))
    except OutputsDifferError as error:
        parser.exit(1, f"outputs differ, nothing was timed: {error}\n")
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


def run_benchmark(given: Namespace) -> str:
    """Run the named benchmark; return its report, which is also written to `given.out`.

    Raises OutputsDifferError if our outputs differ from a peer's, UserError for wrong arguments.
    """
    if given.threads is not None and given.threads < 1:
        raise UserError(f"--threads must be >= 1, got {given.threads}")
    report = {
        "detection": _run_detection,
        "evaluation": _run_evaluation,
        "data": _run_data,
        "backbones": _run_backbones,
        "classifier": _run_classifier,
        "segmentation": _run_segmentation,
    }[given.benchmark](given)
    files = report.write(given.out)
    return "\n".join([report.markdown(), *(f"written: {file}" for file in files)])


def _run_detection(given: Namespace) -> Report:
    from benchmarks.detection import DetectionSettings, run

    _limit_threads(given.threads)
    # Our tools keep freed memory. That would hold for the peers of the process too, so here all do
    # without it.
    return run(
        DetectionSettings(
            images=given.images,
            count=given.count,
            detector=given.detector,
            detectron2=given.detectron2,
            short_edge=given.short_edge,
            long_edge=given.long_edge,
            batch=given.batch,
            train_batch=given.train_batch,
            device=given.device,
            compile=given.compile,
            rounds=given.rounds,
        )
    )


def _run_evaluation(given: Namespace) -> Report:
    if given.threads is not None:
        # hotcoco's, read when it is first used; pycocotools has one
        os.environ["RAYON_NUM_THREADS"] = str(given.threads)
    from benchmarks.evaluation import EvaluationSettings, run

    return run(EvaluationSettings(scale=given.scale, rounds=given.rounds))


def _run_data(given: Namespace) -> Report:
    from benchmarks.data import DataSettings, run

    _limit_threads(given.threads)
    return run(
        DataSettings(
            images=given.images, count=given.count, short_edge=given.short_edge, rounds=given.rounds
        )
    )


def _run_backbones(given: Namespace) -> Report:
    from benchmarks.backbones import BackboneSettings, run

    _limit_threads(given.threads)
    return run(
        BackboneSettings(
            backbone=given.backbone,
            size=given.size,
            batch=given.batch,
            compile=not given.no_compile,
            rounds=given.rounds,
        )
    )


def _run_classifier(given: Namespace) -> Report:
    from benchmarks.classifier import ClassifierSettings, run

    _limit_threads(given.threads)
    return run(
        ClassifierSettings(
            images=given.images,
            count=given.count,
            batch=given.batch,
            steps=given.steps,
            rounds=given.rounds,
        )
    )


def _run_segmentation(given: Namespace) -> Report:
    from benchmarks.segmentation import NETWORKS, SegmentationSettings, run

    _limit_threads(given.threads)
    return run(
        SegmentationSettings(
            networks=NETWORKS if given.only is None else (given.only,),
            backbone=given.backbone,
            size=given.size,
            batch=given.batch,
            compile=given.compile,
            rounds=given.rounds,
        )
    )


def _limit_threads(count: int | None) -> None:
    import torch

    if count is not None:
        torch.set_num_threads(count)


def _parser(description: str | None) -> ArgumentParser:
    """Make the parser of the command line, whose first word names the benchmark."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    benchmarks = parser.add_subparsers(
        dest="benchmark",
        required=True,
        metavar="detection|evaluation|data|backbones|classifier|segmentation",
    )
    help_text = "Faster R-CNN R50-FPN against torchvision and detectron2"
    _detection_arguments(benchmarks.add_parser("detection", help=help_text))
    help_text = "COCO's twelve numbers against pycocotools"
    _evaluation_arguments(benchmarks.add_parser("evaluation", help=help_text))
    help_text = "decode, resize and flip against torchvision's PIL pipeline"
    _data_arguments(benchmarks.add_parser("data", help=help_text))
    help_text = "ResNet-50 against torchvision and timm"
    _backbones_arguments(benchmarks.add_parser("backbones", help=help_text))
    help_text = "CIFAR training and ImageNet's crops against torch, torchvision and timm"
    _classifier_arguments(benchmarks.add_parser("classifier", help=help_text))
    help_text = "semantic FPN against smp, DeepLabV3 against torchvision"
    _segmentation_arguments(benchmarks.add_parser("segmentation", help=help_text))
    return parser


def _detection_arguments(parser: ArgumentParser) -> None:
    _image_arguments(parser, 8)
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
    _common_arguments(parser, rounds=5)


def _evaluation_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of val2017's size (default: 1)"
    )
    _common_arguments(parser, rounds=3)


def _data_arguments(parser: ArgumentParser) -> None:
    _image_arguments(parser, 48)
    parser.add_argument(
        "--short-edge", type=int, default=800, help="shorter image side in pixels (default: 800)"
    )
    _common_arguments(parser, rounds=5, threads=1)


def _backbones_arguments(parser: ArgumentParser) -> None:
    _network_arguments(parser, backbone="a ResNet that all three have", size=224, batch=8)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    _common_arguments(parser, rounds=7)


def _classifier_arguments(parser: ArgumentParser) -> None:
    _image_arguments(parser, 48)
    parser.add_argument("--batch", type=int, default=128, help="images a step (default: 128)")
    parser.add_argument("--steps", type=int, default=10, help="steps a round (default: 10)")
    _common_arguments(parser, rounds=5)


def _segmentation_arguments(parser: ArgumentParser) -> None:
    choices = ("fpn", "deeplabv3")
    parser.add_argument("--only", choices=choices, help="time one of the two (default: both)")
    _network_arguments(parser, backbone="a ResNet that both have", size=512, batch=2)
    parser.add_argument(
        "--compile", action="store_true", help="time ours in bf16 under torch.compile too"
    )
    _common_arguments(parser, rounds=5)


def _network_arguments(parser: ArgumentParser, *, backbone: str, size: int, batch: int) -> None:
    parser.add_argument("--backbone", default="resnet50", help=f"{backbone} (default: resnet50)")
    parser.add_argument(
        "--size", type=int, default=size, help=f"side of the images in pixels (default: {size})"
    )
    parser.add_argument(
        "--batch", type=int, default=batch, help=f"images a call (default: {batch})"
    )


def _image_arguments(parser: ArgumentParser, count: int) -> None:
    parser.add_argument("--images", type=Path, required=True, help="folder of real photographs")
    parser.add_argument(
        "--count", type=int, default=count, help=f"use the first so many (default: {count})"
    )


def _common_arguments(parser: ArgumentParser, *, rounds: int, threads: int | None = None) -> None:
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
