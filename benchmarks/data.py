"""Time images from file to network against torchvision's PIL pipeline, on real photographs.

Both decode, resize the shorter side with PIL's bilinear filter, flip and normalise. Ours passes
bytes to the batch, which is normalised as a whole on the network's device; so it is timed with and
without that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common import Goal, OutputsDifferError, Report, Timings, interleave
from resnet_backbones.weights.passport import IMAGENET_MEAN, IMAGENET_STD, Passport, PixelNormalizer
from tasks.detection.config import DataConfig
from tasks.images import decode, find_images
from tasks.vision.placement import resize, resized_size

GOAL = 3.0
TOLERANCE = 1.0  # of 255, per value: two roundings of the same filter
LONG_EDGE = 10_000  # torchvision's resize knows no longest side

Pipeline = Callable[[Path], Tensor]  # a file to an image (3, H, W)


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Images and numbers of rounds."""

    images: Path
    count: int
    short_edge: int
    rounds: int


def run(settings: DataSettings) -> Report:
    """Compare the images, then time them; OutputsDifferError if a value differs by more than one of
    255.
    """
    files = find_images(settings.images)[: settings.count]
    ours = our_pipeline(settings.short_edge)
    theirs = torchvision_pipeline(settings.short_edge)
    normalize = PixelNormalizer(Passport(architecture="any"))
    check = check_equal(files, theirs, lambda file: _normalized(ours(file), normalize))
    seconds = interleave(
        {
            "torchvision, PIL": lambda: _each(files, theirs),
            "ours": lambda: _each(files, ours),
            "ours, then normalised": lambda: _each(
                files, lambda file: _normalized(ours(file), normalize)
            ),
        },
        settings.rounds,
    )
    title = (
        f"decode + resize {settings.short_edge} + flip: {len(files)} images,"
        f" {torch.get_num_threads()} thread(s)"
    )
    goal = Goal("ours", "torchvision, PIL", GOAL)
    note = (
        "torchvision's pipeline normalises each image; ours leaves that to the batch, on the"
        " network's device."
    )
    return Report(
        "data",
        "Data pipeline",
        (check,),
        (Timings(title, seconds, (goal,), work=len(files)),),
        (note,),
    )


def _each(files: Sequence[Path], load: Pipeline) -> None:
    """Consume the images one by one and keep none, as a loader does."""
    for file in files:
        load(file)


def torchvision_pipeline(short_edge: int) -> Pipeline:
    """torchvision's first transforms: PIL image, resize, flip, to_tensor, normalize."""
    from PIL import Image
    from torchvision.transforms import Compose, Normalize, RandomHorizontalFlip, Resize, ToTensor

    transform = Compose(
        [
            Resize(short_edge),
            RandomHorizontalFlip(1.0),
            ToTensor(),
            Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )

    def load(file: Path) -> Tensor:
        with Image.open(file) as image:
            tensor: Tensor = transform(image.convert("RGB"))
        return tensor

    return load


def our_pipeline(short_edge: int) -> Pipeline:
    """Our training worker's result for an image: bytes (3, H, W), flipped."""
    config = DataConfig(
        short_edge=(short_edge,), long_edge=LONG_EDGE, resize_rounding="floor", exif="ignore"
    )

    def load(file: Path) -> Tensor:
        pixels = decode(file, config.exif)
        size = resized_size(
            (pixels.shape[0], pixels.shape[1]), short_edge, config.long_edge, config.resize_rounding
        )
        return resize(pixels, size, config.resize_filter).flip(-1)

    return load


def _normalized(image: Tensor, normalize: PixelNormalizer) -> Tensor:
    found: Tensor = normalize(image[None], torch.tensor([image.shape[1:]]))[0]
    return found


def check_equal(files: Sequence[Path], theirs: Pipeline, ours: Pipeline) -> str:
    """Return a line with the largest difference in units of 1/255; OutputsDifferError names the
    file if it is too large.
    """
    scale = 255 * torch.tensor(IMAGENET_STD)[:, None, None]
    largest = 0.0
    for file in files:
        expected = theirs(file)
        found = ours(file)
        if expected.shape != found.shape:
            raise OutputsDifferError(
                f"{file}: theirs is {tuple(expected.shape)}, ours {tuple(found.shape)}"
            )
        difference = float(((expected - found) * scale).abs().max())
        if difference > TOLERANCE + 1e-3:
            rule = f"values may differ by {TOLERANCE:g} of 255"
            raise OutputsDifferError(
                f"{file}: {rule}, the same filter being used; ours differs by {difference:.2f}"
            )
        largest = max(largest, difference)
    return f"the normalised images differ by at most {largest:.2f} of 255 (allowed: {TOLERANCE:g})"
