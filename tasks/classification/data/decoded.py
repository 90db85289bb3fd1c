"""Class images that are decoded once and kept on the training device.

N images of H x W pixels, B of them in a micro-batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from resnet_backbones.errors import UserError
from tasks.classification.config import AugmentConfig, ClassificationConfig
from tasks.classification.data.batch import ClassificationBatch, plain_batch
from tasks.classification.data.draws import Plan, draw_erased, draw_plan, draw_tints
from tasks.classification.data.unreadable import Unreadable
from tasks.classification.data.views import View
from tasks.classification.data.windows import corner_of
from tasks.cores import usable_cores
from tasks.datasets.class_images.class_images import ClassImages
from tasks.engine.loading import Share
from tasks.engine.randomness import Stream, uniform
from tasks.engine.sampling import batches_per_epoch
from tasks.errors import DataError
from tasks.images import Exif, decode


@dataclass(frozen=True)
class DecodedImages:
    """A data set with its pixels."""

    images: ClassImages
    pixels: Tensor
    """(N, H, W, 3) uint8, on the training device."""
    labels: Tensor
    """(N,) int64, on the same device."""


def decode_all(
    images: ClassImages, exif: Exif, device: torch.device, unreadable: Unreadable
) -> DecodedImages:
    """Decode a data set; unreadable images are left out of it.

    UserError for images of different sizes, and for too many unreadable ones.
    """

    def read(place: int) -> np.ndarray | DataError:
        try:
            return decode(images.read(place), exif)
        except DataError as error:
            return error

    pixels: np.ndarray | None = None
    kept: list[int] = []
    with ThreadPoolExecutor(usable_cores()) as threads:
        for place, found in enumerate(threads.map(read, range(len(images)), chunksize=256)):
            if isinstance(found, DataError):
                unreadable.add(place, f"{images.name(place)}: {found}")
                continue
            if pixels is None:
                pixels = np.empty((len(images), *found.shape), dtype=np.uint8)
            if found.shape != pixels.shape[1:]:
                raise _sizes_differ(images, kept[0], pixels.shape[1:], place, found.shape)
            pixels[len(kept)] = found
            kept.append(place)
    if pixels is None:
        raise UserError(f"{images.path} must hold images that can be read, got none")
    chosen = images if len(kept) == len(images) else images.select(np.array(kept))
    on_device = torch.from_numpy(pixels[: len(kept)]).to(device)
    return DecodedImages(chosen, on_device, torch.from_numpy(chosen.labels).to(device))


@dataclass(frozen=True)
class DecodedBatches:
    """An endless training set; an `engine.batches.Batches`."""

    decoded: DecodedImages
    padded: Tensor
    """(N, H + 2 pad, W + 2 pad, 3) uint8."""
    config: ClassificationConfig
    share: Share

    @classmethod
    def of(
        cls,
        decoded: DecodedImages,
        config: ClassificationConfig,
        share: Share,
        colour: tuple[int, int, int],
    ) -> DecodedBatches:
        """Make the batches of a data set; its images get a border of a colour.

        UserError if no square of augment.size fits into them.
        """
        augment = config.augment
        pad = augment.pad if augment.crop == "padded" else 0
        padded = _with_border(decoded.pixels, pad, colour)
        height, width = padded.shape[1:3]
        if min(height, width) < augment.size:
            rule = f"augment.size={augment.size} must fit into the images with augment.pad={pad}"
            seen = f"{width - 2 * pad}x{height - 2 * pad} in {decoded.images.path}"
            raise UserError(f"{rule}, which are {seen}; lower augment.size")
        return cls(decoded, padded, config, share)

    @property
    def epoch_length(self) -> int:
        """Steps that show as many images as there are."""
        return batches_per_epoch(len(self.decoded.images), self.config.batch_size)

    def start(self, step: int) -> Iterator[ClassificationBatch]:
        """This rank's micro-batches from an optimiser step on."""
        size = self.share.micro_batch(self.config.batch_size)
        first = self.share.rank * self.share.accumulate * size
        while True:
            plan = self.plan(step)
            for index in range(self.share.accumulate):
                start = first + index * size
                yield self.batch(plan.part(start, start + size))
            step += 1

    def plan(self, step: int) -> Plan:
        """Choose the images of a step's global batch, and their keys."""
        images = len(self.decoded.images)
        size = self.config.batch_size
        return draw_plan(step, images, size, self.share.seed, self.config.augment)

    def batch(self, plan: Plan) -> ClassificationBatch:
        """Cut out and flip the images of a plan on the device."""
        config = self.config.augment
        device = self.padded.device
        places = torch.from_numpy(plan.places)
        rows = places.to(device, non_blocking=True)
        keys = torch.from_numpy(plan.keys).to(device, non_blocking=True)
        draws = uniform(keys, Stream.PLACEMENT, 3)  # (B, 3)
        count = len(places)
        return ClassificationBatch(
            images=cut_squares(self.padded, rows, draws, config),
            labels=self.decoded.labels[rows],
            image_ids=places + 1,
            missing=torch.zeros(count, dtype=torch.int64),
            tint=draw_tints(plan.keys, config),
            erased=draw_erased(plan.keys, config),
            blend=torch.full((count,), plan.mix.blend),
            pasted=torch.tensor(plan.mix.pasted).repeat(count, 1),
        )


@dataclass(frozen=True)
class ScoredDecoded:
    """This rank's part of a decoded data set for scoring; over all ranks each image comes once."""

    decoded: DecodedImages
    config: ClassificationConfig
    share: Share
    views: tuple[View, ...]
    batch_size: int

    def __iter__(self) -> Iterator[ClassificationBatch]:
        own = torch.arange(self.share.rank, len(self.decoded.images), self.share.ranks)
        for start in range(0, len(own), self.batch_size):
            yield self._batch(own[start : start + self.batch_size])

    @property
    def images(self) -> int:
        """This rank's images."""
        return len(range(self.share.rank, len(self.decoded.images), self.share.ranks))

    def _batch(self, places: Tensor) -> ClassificationBatch:
        pixels = self.decoded.pixels[places.to(self.decoded.pixels.device)]
        shown = [_seen(pixels, view, self.decoded.images) for view in self.views]
        owners = places.repeat_interleave(len(self.views))
        images = torch.stack(shown, dim=1).flatten(0, 1).permute(0, 3, 1, 2)
        labels = self.decoded.labels[owners.to(pixels.device)]
        return plain_batch(images, labels, owners + 1)


def cut_squares(padded: Tensor, rows: Tensor, draws: Tensor, config: AugmentConfig) -> Tensor:
    """Cut squares (B, 3, size, size) from the images in rows (B,) of `padded`, by draws (B, 3) in
    [0, 1) for flip, left and top; from the centre if config.crop says so.
    """
    size = config.size
    height, width = padded.shape[1:3]
    room = torch.tensor([width - size + 1, height - size + 1]).to(padded.device, non_blocking=True)
    corner = (draws[:, 1:] * room).long()  # (B, 2) as x, y
    if config.crop == "center":
        corner = ((room - 1) / 2).round().long().expand_as(corner)
    steps = torch.arange(size, device=padded.device)
    flipped = (draws[:, :1] < config.flip).long()  # (B, 1)
    xs = corner[:, :1] + torch.where(flipped > 0, size - 1 - steps, steps)  # (B, size)
    ys = corner[:, 1:] + steps  # (B, size)
    lines = rows[:, None] * height + ys  # (B, size)
    cells = lines[:, :, None] * width + xs[:, None, :]  # (B, size, size) among all pixels
    squares = padded.reshape(-1, 3).index_select(0, cells.flatten())  # whole pixels are copied
    return squares.reshape(*cells.shape, 3).permute(0, 3, 1, 2)


def _seen(pixels: Tensor, view: View, images: ClassImages) -> Tensor:
    """Cut a view from images (B, H, W, 3) that are not resized."""
    height, width = pixels.shape[1:3]
    side = view.crop
    if view.resize not in (None, min(height, width)) or (side or 0) > min(height, width):
        rule = "data.decoded=true needs test.resize=null and test.crop no larger than the images"
        seen = f"test.resize={view.resize} and test.crop={side} for {width}x{height}"
        raise UserError(
            f"{rule}, got {seen} in {images.path}; lower them, or set data.decoded=false"
        )
    if view.flip:
        pixels = pixels.flip(2)
    if side is not None:
        top, left = corner_of((height, width), side, view.corner)
        pixels = pixels[:, top : top + side, left : left + side]
    return pixels


def _with_border(pixels: Tensor, pad: int, colour: tuple[int, int, int]) -> Tensor:
    """Pad images (N, H, W, 3) with `pad` pixels of a colour."""
    if pad == 0:
        return pixels
    planes = [
        F.pad(pixels[..., channel], (pad,) * 4, value=value) for channel, value in enumerate(colour)
    ]
    return torch.stack(planes, dim=-1)


def _sizes_differ(
    images: ClassImages, first: int, size: tuple[int, ...], other: int, its: tuple[int, ...]
) -> UserError:
    rule = "data.decoded=true needs images of one size"
    seen = f"{size[1]}x{size[0]} in {images.name(first)} and {its[1]}x{its[0]} in"
    return UserError(f"{rule}, got {seen} {images.name(other)}; set data.decoded=false")
