"""Time batches of random resized crops of photographs against the transforms of torchvision and
timm.

All decode, cut out a random window, resize it with PIL's bilinear filter and flip. torchvision's
pipeline normalises each image. timm's and ours leave that to the batch on the network's device, so
ours is also timed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from timm.data import create_transform
from timm.data.loader import fast_collate
from torch import Tensor
from torchvision import transforms
from torchvision.datasets.folder import default_loader
from torchvision.transforms import functional as single

from benchmarks.common import Goal, OutputsDifferError, Timings, interleave
from resnet_backbones.weights.passport import IMAGENET_MEAN, IMAGENET_STD, Passport, PixelNormalizer
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.draws import Plan, draw_plan
from tasks.classification.data.files import TrainReader
from tasks.classification.data.windows import DRAWS, resized_window
from tasks.classification.data_config import DataConfig
from tasks.classification.network import mean_colour
from tasks.datasets.class_images.class_images import ClassImages
from tasks.datasets.class_images.store import FileStore
from tasks.datasets.packed import PackedValues
from tasks.engine.randomness import Stream, uniform
from tasks.images import find_images
from tasks.labels import LabelMap

OURS, NORMALISED, PEER, TIMM = "ours", "ours, then normalised", "torchvision, PIL", "timm"
GOALS = (Goal(OURS, PEER, 1.3), Goal(OURS, TIMM, 1.0))
TOLERANCE = 1.5  # of 255, mean over an image
BATCH = 16
NORMALIZER = PixelNormalizer(Passport(architecture="any"))


@dataclass(frozen=True)
class Photos:
    """Image files, and our training reader for them."""

    files: Sequence[Path]
    reader: TrainReader

    @property
    def config(self) -> ClassificationConfig:
        """Our settings."""
        return self.reader.config

    def plans(self, number: int) -> list[Plan]:
        """Plans of batches that show every file once; each number gives other windows."""
        images = len(self.files)
        plan = draw_plan(number, images, images, 0, self.config.augment)
        return [plan.part(start, start + BATCH) for start in range(0, images, BATCH)]


def find_photos(folder: Path, most: int) -> Photos:
    """The first `count` images of a folder; UserError if there are none."""
    files = find_images(folder)[:most]
    names = PackedValues([str(file.relative_to(folder)) for file in files])
    label_map = LabelMap(("any",), ("any",))
    labels = np.zeros(len(files), dtype=np.int64)
    listed = ClassImages(folder, FileStore(folder, names), labels, label_map, ())
    config = ClassificationConfig(data=DataConfig(batch_size=BATCH, exif="ignore"))
    return Photos(files, TrainReader(listed, config, mean_colour(Passport(architecture="any"))))


def time_crops(photos: Photos, rounds: int) -> Timings:
    """Seconds to read all images once."""
    size = photos.config.augment.size
    numbers = count()

    def ours() -> Iterator[Tensor]:
        for plan in photos.plans(next(numbers)):
            yield photos.reader(plan).images

    variants = {
        PEER: lambda: _drain(torchvision_batches(photos)),
        TIMM: lambda: _drain(timm_batches(photos)),
        OURS: lambda: _drain(ours()),
        NORMALISED: lambda: _drain(NORMALIZER(images) for images in ours()),
    }
    title = f"decode + random resized crop {size} + flip: {len(photos.files)} images, 1 thread"
    return Timings(title, interleave(variants, rounds), GOALS, work=len(photos.files))


def _drain(batches: Iterator[object]) -> None:
    """Consume the images one by one and keep none, as a loader does."""
    for _ in batches:
        pass


def torchvision_batches(photos: Photos) -> Iterator[Tensor]:
    """Batches with torchvision's first transforms, as in its ImageNet training script."""
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(photos.config.augment.size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    for files in _batches(photos.files):
        yield torch.stack([transform(default_loader(file)) for file in files])


def timm_batches(photos: Photos) -> Iterator[Tensor]:
    """Batches of timm's transforms without colour jitter, as bytes, as its loader collates them."""
    transform: Callable[[object], object] = create_transform(
        photos.config.augment.size,
        is_training=True,
        use_prefetcher=True,
        color_jitter=None,
        interpolation="bilinear",
    )
    for files in _batches(photos.files):
        yield fast_collate([(transform(default_loader(file)), 0) for file in files])[0]


def _batches(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), BATCH):
        yield files[start : start + BATCH]


def check_crops(photos: Photos) -> str:
    """Return a line with the largest difference between our images and torchvision's;
    OutputsDifferError names the file if it is too large.
    """
    worst = 0.0
    for plan in photos.plans(0):
        found = photos.reader(plan).images
        for place, image, expected in zip(
            plan.places.tolist(), found, torchvision_crops(photos, plan), strict=True
        ):
            difference = float((image.float() - expected.float()).abs().mean())
            if not difference <= TOLERANCE:
                rule = f"crops of the same window may differ by {TOLERANCE:g} of 255 in the mean"
                seen = f"ours differs by {difference:.2f}"
                raise OutputsDifferError(f"{photos.files[place]}: {rule}; {seen}")
            worst = max(worst, difference)
    return (
        "crops of the same windows differ from torchvision's by at most"
        f" {worst:.2f} of 255 in the mean of an image (allowed: {TOLERANCE:g})"
    )


def torchvision_crops(photos: Photos, plan: Plan) -> Iterator[Tensor]:
    """The images (3, H, W) of a batch, cut out by torchvision at our windows."""
    augment = photos.config.augment
    draws = uniform(torch.from_numpy(plan.keys), Stream.PLACEMENT, DRAWS).tolist()
    side = [augment.size, augment.size]
    for place, numbers in zip(plan.places.tolist(), draws, strict=True):
        image = default_loader(photos.files[place])
        window = resized_window((image.height, image.width), numbers, augment)
        corner = (window.top, window.left)
        square = single.resized_crop(image, *corner, window.height, window.width, side)
        square = single.hflip(square) if window.flip else square
        yield single.pil_to_tensor(square)
