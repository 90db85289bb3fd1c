"""The first training images with their classes, as the network gets them.

B images of a batch, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from resnet_backbones.weights.passport import Passport, PixelNormalizer
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.batch import ClassificationBatch
from tasks.classification.data.decoded import DecodedBatches
from tasks.classification.data.draws import Plan
from tasks.classification.data.files import FileBatches
from tasks.classification.data.stream import StreamBatches
from tasks.classification.losses import own_shares, prepared
from tasks.datasets.class_images.class_images import ClassImages
from tasks.engine.samples import DrawSamples, first_batches
from tasks.sample_sheet import Sample, fitted, write_sheet


@dataclass(frozen=True)
class ClassSamples:
    """Draws the first images of training; call it with their number and the picture to write."""

    images: ClassImages
    config: ClassificationConfig
    plan: Callable[[int], Plan]
    load: Callable[[Plan], ClassificationBatch]
    micro_batch: int
    normalizer: PixelNormalizer

    def __call__(self, count: int, picture: Path) -> None:
        """Load the images, and write them tinted, erased and mixed.

        An image is mixed with the one before it in its micro-batch, the first with the last: so
        either one more is loaded and the first left out, or whole micro-batches are loaded.
        """
        size = self.micro_batch
        one_more = count < size
        loaded = count + 1 if one_more else -(-count // size) * size
        samples: list[Sample] = []
        for batch in first_batches(self.plan, self.load, size, loaded):
            samples += self.samples(batch.to(torch.device("cpu")))
        write_sheet(samples[1:] if one_more else samples[:count], picture)

    def samples(self, batch: ClassificationBatch) -> Iterator[Sample]:
        """Take the images of a batch, with their classes and the shares of mixed images."""
        images = prepared(batch, self.normalizer, self.config.augment)
        white = (images - self.normalizer.shift) / self.normalizer.scale  # 0 to 1
        colours = white.flip(1) if self.normalizer.reverse else white
        pixels = (255 * colours).round().clamp(0, 255).byte().permute(0, 2, 3, 1)  # (B, H, W, 3)
        shares = own_shares(batch).tolist()
        partners = batch.labels.roll(1).tolist()
        for row, label in enumerate(batch.labels.tolist()):
            name = Path(self.images.name(int(batch.image_ids[row]) - 1)).name
            words = self._words(label, partners[row], shares[row])
            yield Sample(fitted(pixels[row].numpy()), name, words)

    def _words(self, label: int, partner: int, share: float) -> str:
        names = self.images.label_map.names
        if share == 1 or label == partner:
            return names[label]
        return f"{100 * share:.0f} % {names[label]}, {100 - 100 * share:.0f} % {names[partner]}"


def samples_of(
    batches: DecodedBatches | FileBatches | StreamBatches, passport: Passport
) -> DrawSamples | None:
    """Make the function that draws the first training images; None for a stream, as its images
    cannot be read ahead.
    """
    if isinstance(batches, StreamBatches):
        return None
    if isinstance(batches, DecodedBatches):
        images = batches.decoded.images
        config = batches.config
        load: Callable[[Plan], ClassificationBatch] = batches.batch
    else:
        images = batches.reader.images
        config = batches.reader.config
        load = batches.reader
    size = batches.share.micro_batch(config.batch_size)
    return ClassSamples(images, config, batches.plan, load, size, PixelNormalizer(passport))
