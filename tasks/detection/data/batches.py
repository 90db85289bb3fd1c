"""Batches for detection: images and boxes resized by the recipe's rule, padded and stacked.

B images of a batch, C channels, H and W the padded height and width, G padded objects; boxes are
(x1, y1, x2, y2) in pixels of the resized image; sizes and scales are (height, width).  Every random
choice follows from the seed, the step and the image's position in the batch, so that neither
restarts nor the number of workers and ranks change anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import CocoDataset, read_segmentations
from tasks.datasets.repeat_factors import repeat_factors
from tasks.detection.config import DataConfig
from tasks.detection.data.prepare import load, without_objects
from tasks.engine.batches import TensorBatch
from tasks.engine.loading import Loader, Share
from tasks.engine.randomness import Stream, mix_key, mix_keys, uniform
from tasks.engine.sampling import batches_per_epoch, global_batch
from tasks.labels import FileId
from tasks.vision.augment import Augmenter, build_augmenter
from tasks.vision.copy_paste import Prepared
from tasks.vision.padding import (
    LEAST_OBJECTS,
    Size,
    largest_size,
    padded_objects,
    padded_side,
    round_up,
)
from tasks.vision.placement import ImagePlan, Placement, jittered, resized_size

_DRAWS = 7  # edge, flip; scale, top and left of the jitter; whether to paste, and what image


@dataclass(frozen=True)
class DetectionBatch(TensorBatch):
    """Stacked images with their objects; row i of every tensor is image i."""

    images: Tensor  # (B, C, H, W) uint8, channels_last; zero outside `sizes`
    sizes: Tensor  # (B, 2) int64: valid height and width inside the padding
    scales: Tensor  # (B, 2) float32: resized over original height and width; of no use where training crops
    original_sizes: Tensor  # (B, 2) int64: height and width of the decoded image
    boxes: Tensor  # (B, G, 4) float32, crowd boxes included; zero where there is no object
    labels: Tensor  # (B, G) int64 in 0..K-1; -1 where there is no object
    crowd: Tensor  # (B, G) bool
    image_ids: Tensor  # (B,) int64: the data set's internal ids, from 1
    keys: Tensor  # (B,) int64: names the image's random draws in this step


@dataclass(frozen=True)
class Plan:
    """Which images make a batch and what is done with each, before any is read."""

    images: tuple[ImagePlan, ...]  # (B,)
    padded_size: Size  # H and W
    max_objects: int  # G

    def part(self, start: int, stop: int) -> "Plan":
        """The plan of some of the images, with the padding of all."""
        return Plan(self.images[start:stop], self.padded_size, self.max_objects)


class TrainBatches:
    """Endless training batches of one rank, `accumulate` micro-batches a step.

    Position p of a step's global batch is the same image with the same draws whatever the ranks and
    micro-batches, and all of a step share one padded size. Images without objects, crowds apart,
    are left out unless data.keep_empty.
    """

    def __init__(
        self,
        dataset: CocoDataset,
        config: DataConfig,
        share: Share | None = None,
    ) -> None:
        self.dataset = dataset
        self.config = config
        self.share = share or Share()
        self.seed = self.share.seed
        self.micro_batch = self.share.micro_batch(config.batch_size)
        self.usable, self.warnings = _usable_images(
            dataset, config.keep_empty
        )  # (N,) places in the data set
        self.augmenter = build_augmenter(config.augment, config.color_jitter)
        self.segmentations = read_segmentations(dataset) if config.copy_paste else None  # (M,)
        threshold = config.repeat_threshold
        self.repeats = (
            None if threshold is None else repeat_factors(dataset, self.usable, threshold)
        )  # (N,)
        sizes = dataset.sizes[self.usable]
        self._portrait = (sizes[:, 0] > sizes[:, 1]).astype(np.int64)  # (N,)

    @property
    def num_classes(self) -> int:
        """Foreground classes, K."""
        return self.dataset.label_map.num_classes

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return batches_per_epoch(len(self.usable), self.config.batch_size, self.repeats)

    def plan(self, step: int) -> Plan:
        """The global batch of a step, over all ranks and micro-batches."""
        config = self.config
        drawn = global_batch(step, self._portrait, config.batch_size, self.seed, self.repeats)
        indices, keys = (
            self.usable[drawn],
            mix_keys(self.seed, step, np.arange(config.batch_size)),
        )  # (B,)
        draws = uniform(torch.from_numpy(keys), Stream.PLACEMENT, _DRAWS).tolist()  # (B, _DRAWS)
        images = tuple(
            self._with_paste(self._image_plan(index, key, draw), draw)
            for index, key, draw in zip(indices.tolist(), keys.tolist(), draws, strict=True)
        )
        height, width = largest_size(image.placement.final_size for image in images)
        padded_size = (
            padded_side(height, config.size_divisor, config.long_edge),
            padded_side(width, config.size_divisor, config.long_edge),
        )
        return Plan(images, padded_size, padded_objects(max(map(self._most_objects, images))))

    def start(self, step: int) -> Iterator[DetectionBatch]:
        """This rank's micro-batches from an optimiser step on, without end."""
        load = _Load(self.dataset, self.config, self.augmenter, self.segmentations)
        loader = Loader(load, self.config.workers, self.share.pin_memory)
        return loader.training(self.plan, step, self.share, self.config.batch_size)

    def _image_plan(self, index: int, key: int, draws: Sequence[float]) -> ImagePlan:
        """What the draws, each in [0, 1), choose for one image."""
        config, edges = self.config, self.config.short_edge
        size = _planned_size(self.dataset, index, edges[int(draws[0] * len(edges))], config)
        flip = draws[1] < config.flip
        if config.scale_jitter is None:
            return ImagePlan(index, key, Placement(size, flip=flip))
        low, high = config.scale_jitter
        target = (
            size
            if config.scale_jitter_side is None
            else (config.scale_jitter_side, config.scale_jitter_side)
        )
        original = self.dataset.sizes[index].tolist()
        size, crop = jittered(original, target, low + draws[2] * (high - low), (draws[3], draws[4]))
        return ImagePlan(index, key, Placement(size, crop, flip))

    def _with_paste(self, image: ImagePlan, draws: Sequence[float]) -> ImagePlan:
        """The image with another image to paste from, if the draws choose so."""
        if draws[5] >= self.config.copy_paste:
            return image
        index, key = (
            int(self.usable[int(draws[6] * len(self.usable))]),
            mix_key(image.key, Stream.PLACEMENT, 0),
        )
        own = uniform(torch.tensor([key]), Stream.PLACEMENT, _DRAWS).tolist()[0]
        return replace(image, paste=self._image_plan(index, key, own))

    def _most_objects(self, image: ImagePlan) -> int:
        """Objects that the image may end up with."""
        own = int(self.dataset.first[image.index + 1] - self.dataset.first[image.index])
        return own + (self._most_objects(image.paste) if image.paste is not None else 0)


class ValBatches:
    """Every image of a data set once, in batches dealt to the ranks.

    A batch holds images of one padded size, so that an image's padding, and with it its detections,
    depend neither on its neighbours nor on batch size and ranks. The largest images come first.
    """

    def __init__(
        self,
        dataset: CocoDataset,
        config: DataConfig,
        *,
        batch_size: int = 1,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
    ) -> None:
        self.dataset, self.config, self.pin_memory = dataset, config, pin_memory
        self.plans = _val_plans(dataset, config, batch_size)[rank::world_size]

    def __len__(self) -> int:
        return len(self.plans)

    @property
    def images(self) -> int:
        """Images of all batches of this rank."""
        return sum(len(plan.images) for plan in self.plans)

    def __iter__(self) -> Iterator[DetectionBatch]:
        load = _Load(self.dataset, self.config)
        return Loader(load, self.config.workers, self.pin_memory).batches(self.plans)


def collate_images(images: Sequence[NDArray[np.uint8]], config: DataConfig) -> DetectionBatch:
    """A batch without targets from decoded images (H, W, 3), numbered from 1, resized and padded as
    in evaluation.
    """
    prepared = [without_objects(image, config) for image in images]
    height, width = largest_size((item.image.shape[1], item.image.shape[2]) for item in prepared)
    padded_size = round_up(height, config.size_divisor), round_up(width, config.size_divisor)
    numbers = list(range(1, len(prepared) + 1))
    return _stack(prepared, padded_size, LEAST_OBJECTS, numbers, [0] * len(prepared))


def _object_counts(dataset: CocoDataset) -> NDArray[np.int64]:
    """Objects of each image, crowds included, (N,)."""
    return np.diff(dataset.first)


def _usable_images(
    dataset: CocoDataset, keep_empty: bool
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Places of the images to train on, and how many were left out."""
    owners = np.repeat(np.arange(len(dataset)), _object_counts(dataset))  # (M,)
    has_object = np.bincount(owners[~dataset.crowd], minlength=len(dataset)) > 0
    usable = np.arange(len(dataset)) if keep_empty else np.flatnonzero(has_object)
    if len(usable) == 0:
        raise UserError(
            f"training needs at least one image with an object that is no crowd, {dataset.path} has"
            f" none in {len(dataset)} images; check its annotations, or set data.keep_empty=true"
        )
    left_out = len(dataset) - len(usable)
    text = (
        f"{left_out} of {len(dataset)} training images have no object (crowds apart) and were"
        " left out"
    )
    return usable, (f"{text}; data.keep_empty=true trains on them",) if left_out else ()


def _planned_size(dataset: CocoDataset, index: int, short_edge: int, config: DataConfig) -> Size:
    height, width = dataset.sizes[index].tolist()
    return resized_size((height, width), short_edge, config.long_edge, config.resize_rounding)


def _val_plans(dataset: CocoDataset, config: DataConfig, batch_size: int) -> list[Plan]:
    """Plans of at most `batch_size` images of the same padded size, the largest first."""
    by_size: dict[Size, list[ImagePlan]] = {}
    keys = mix_keys(0, 0, dataset.image_ids).tolist()
    for index, key in enumerate(keys):
        size = _planned_size(dataset, index, config.test_short_edge, config)
        padded_size = round_up(size[0], config.size_divisor), round_up(size[1], config.size_divisor)
        by_size.setdefault(padded_size, []).append(ImagePlan(index, key, Placement(size)))
    counts = _object_counts(dataset)
    return [
        Plan(
            tuple(batch),
            padded_size,
            padded_objects(max(int(counts[image.index]) for image in batch)),
        )
        for padded_size, images in sorted(
            by_size.items(), key=lambda item: (-item[0][0] * item[0][1], item[0])
        )
        for batch in (
            images[start : start + batch_size] for start in range(0, len(images), batch_size)
        )
    ]


@dataclass(frozen=True)
class _Load:
    """Reads a plan's images, in a worker."""

    dataset: CocoDataset
    config: DataConfig
    augmenter: Augmenter | None = None
    segmentations: Sequence[FileId] | None = None

    def __call__(self, plan: Plan) -> DetectionBatch:
        prepared = [
            load(self.dataset, image, self.config, self.augmenter, self.segmentations)
            for image in plan.images
        ]
        ids = self.dataset.image_ids[[image.index for image in plan.images]].tolist()
        keys = [image.key for image in plan.images]
        return _stack(prepared, plan.padded_size, plan.max_objects, ids, keys)


def _stack(
    prepared: Sequence[Prepared],
    padded_size: Size,
    max_objects: int,
    image_ids: Sequence[int],
    keys: Sequence[int],
) -> DetectionBatch:
    """Images padded to `padded_size`, objects to `max_objects`."""
    count = len(prepared)
    images = torch.zeros((count, *padded_size, 3), dtype=torch.uint8).permute(
        0, 3, 1, 2
    )  # (B, 3, H, W) channels_last
    boxes, labels = torch.zeros((count, max_objects, 4)), torch.full((count, max_objects), -1)
    crowd = torch.zeros((count, max_objects), dtype=torch.bool)
    for row, item in enumerate(prepared):
        images[row, :, : item.image.shape[1], : item.image.shape[2]] = item.image
        boxes[row, : len(item.boxes)] = torch.from_numpy(item.boxes)
        labels[row, : len(item.labels)] = torch.from_numpy(item.labels)
        crowd[row, : len(item.crowd)] = torch.from_numpy(item.crowd)
    sizes = torch.tensor([item.image.shape[1:] for item in prepared])
    originals = torch.tensor([item.original_size for item in prepared])
    scales = (sizes.double() / originals).float()
    ids, named = torch.tensor(image_ids), torch.tensor(keys, dtype=torch.int64)
    return DetectionBatch(images, sizes, scales, originals, boxes, labels, crowd, ids, named)
