"""Run `mean_colour.py` with something planted: `planted.py WHERE KIND ARGUMENT…`.

WHERE is loss, worker, scoring (an image of an evaluation on rank 1), or rank1 (the loss there);
KIND is bug (an unpacking error, which is a ValueError) or user (a UserError).
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import mean_colour

from resnet_backbones.errors import UserError, as_line
from tasks.engine.config import load_config


def fail(kind: str) -> None:
    if kind == "user":
        raise UserError("data.root must hold whole images, got half of one; replace it")
    first, second = [1, 2, 3]  # planted
    print(first, second)


def plant(where: str, kind: str) -> None:
    original = mean_colour.ColourObjective.forward
    load = mean_colour.ColourBatches.load
    every_image = mean_colour.ColourBatches.every_image

    def forward(self: object, batch: object) -> object:
        if where == "loss" or os.environ.get("RANK") == "1":
            fail(kind)
        return original(self, batch)

    def broken_load(self: object, plan: object) -> object:
        if os.environ.get("RANK", "1") == "1":
            fail(kind)
        return load(self, plan)

    def broken_images(self: object) -> Iterator[object]:
        for batch in every_image(self):
            if os.environ.get("RANK", "1") == "1":
                fail(kind)
            yield batch

    if where == "worker":
        mean_colour.ColourBatches.load = broken_load
    elif where == "scoring":
        mean_colour.ColourBatches.every_image = broken_images
    else:
        mean_colour.ColourObjective.forward = forward


if __name__ == "__main__":
    where, kind, *arguments = sys.argv[1:]
    plant(where, kind)
    try:
        mean_colour.train(load_config(mean_colour.ColourConfig, None, arguments))
    except Exception as error:
        line = as_line(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
