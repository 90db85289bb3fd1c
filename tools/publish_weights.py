#!/usr/bin/env python3
"""Add the weights of a run to those that come with the library; for maintainers.

tools/publish_weights.py runs/cifar_resnet20 resnet20.cifar10 --figure top1=0.9172 \\
    --data "trained on CIFAR-10's 50,000 training images, scored on its 10,000 test images" \\
    --licence Apache-2.0 --command "backbones train cifar_resnet20 run.seed=3"
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from resnet_backbones.zoo.catalogue import FOLDER
from tasks.cli.endings import finish


def read_figure(text: str) -> tuple[str, float]:
    """Name and value of a score."""
    name, _, value = text.partition("=")
    return name, float(value)


def read_arguments() -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "run",
        metavar="RUN",
        type=Path,
        help="a folder that holds weights.safetensors, or such a file",
    )
    parser.add_argument("name", metavar="NAME", help="ARCHITECTURE.TAG, which ours:NAME will load")
    parser.add_argument("--licence", required=True, help="of the weights")
    parser.add_argument(
        "--data", required=True, help="the data they were trained and scored on, in words"
    )
    parser.add_argument(
        "--figure",
        action="append",
        default=[],
        type=read_figure,
        metavar="SCORE=0.5",
        help="a score in 0–1; may be repeated",
    )
    parser.add_argument("--command", required=True, help="what trained them")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where to write (default: the library's own)"
    )
    return parser.parse_args()


def publish_run(arguments: Namespace) -> None:
    """Add the weights, and print their entry."""
    from resnet_backbones.zoo.publish import Card, publish

    card = Card(
        licence=arguments.licence,
        data=arguments.data,
        figures=dict(arguments.figure),
        command=arguments.command,
    )
    run: Path = arguments.run
    file = run / "weights.safetensors" if run.is_dir() else run
    print(publish(file, arguments.name, card, arguments.folder))


if __name__ == "__main__":
    given = read_arguments()
    sys.exit(finish(lambda: publish_run(given)))
