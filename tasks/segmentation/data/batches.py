"""Batches for segmentation, read ahead by workers: images and labels placed, padded and stacked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.datasets.semantic.dataset import Labels, SemanticDataset
from tasks.engine.loading import DealtBatches, Loader, Share
from tasks.images import decode
from tasks.labels import IGNORED
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.batch import (
    Prepared,
    ScoredBatch,
    SegmentationBatch,
    stack,
    stack_scored,
)
from tasks.segmentation.data.plans import (
    Plan,
    ScoredPlan,
    TrainPlans,
    other_places,
    scored_plans,
)
from tasks.stages import AUGMENT, stage
from tasks.vision.augment import Augmenter, Targets, build_augmenter
from tasks.vision.placement import ImagePlan, Placement


@dataclass(frozen=True)
class _Load:
    """Reads a plan's images, in a worker."""

    dataset: SemanticDataset
    config: SegmentationConfig
    augmenter: Augmenter | None = None

    def __call__(self, plan: Plan) -> SegmentationBatch:
        with stage(AUGMENT):  # but for decoding, which is a stage of its own
            prepared = [self._prepare(image) for image in plan.images]
        ids = self.dataset.image_ids[[image.index for image in plan.images]].tolist()
        return stack(prepared, plan.padded_size, ids, self.config.loss.class_weights)

    def _prepare(self, plan: ImagePlan) -> Prepared:
        pixels, labels = read_pair(self.dataset, plan.index, self.config)
        placement = plan.placement
        if self.augmenter is not None:
            size = pixels.shape[:2]
            pixels, labels = _augmented(self.augmenter, pixels, labels, plan.key)
            if pixels.shape[:2] != size:
                placement = placement.fitted((pixels.shape[0], pixels.shape[1]))
        limit = self.config.data.crop_largest_class
        if limit < 1 and placement.crop is not None:
            placement = _varied_place(plan, labels, limit)
        return place(pixels, labels, placement, self.config)


@dataclass(frozen=True)
class _LoadScored:
    """Reads the images of a plan that are scored, in a worker."""

    dataset: SemanticDataset
    config: SegmentationConfig

    def __call__(self, plan: ScoredPlan) -> ScoredBatch:
        pairs = [read_pair(self.dataset, index, self.config) for index in plan.indices]
        views: list[list[Prepared]] = []
        for placements in plan.placements:
            placed = zip(pairs, placements, strict=True)
            views.append([place(*pair, placement, self.config) for pair, placement in placed])
        ids = self.dataset.image_ids[list(plan.indices)].tolist()
        batch = stack(views[0], plan.padded_sizes[0], ids, self.config.loss.class_weights)
        further = list(zip(views[1:], plan.padded_sizes[1:], strict=True))
        return stack_scored(batch, [labels for _, labels in pairs], further)


class TrainBatches:
    """Endless training batches of one rank."""

    def __init__(
        self, dataset: SemanticDataset, config: SegmentationConfig, share: Share | None = None
    ) -> None:
        self.config = config
        self.share = share or Share()
        self.micro_batch = self.share.micro_batch(config.data.batch_size)
        self.plan = TrainPlans(dataset, config.data, self.share.seed)
        augmenter = build_augmenter(config.data.augment, config.data.color_jitter)
        self._load = _Load(dataset, config, augmenter)

    @property
    def epoch_length(self) -> int:
        """Steps in which every image is seen at least once."""
        return self.plan.epoch_length

    def start(self, step: int) -> Iterator[SegmentationBatch]:
        """This rank's micro-batches from an optimiser step on, without end."""
        loader = Loader(self._load, self.config.data.workers, self.share)
        return loader.training(self.plan, step, self.config.data.batch_size)


def scored_batches(
    dataset: SemanticDataset, config: SegmentationConfig, share: Share, batch_size: int = 1
) -> DealtBatches[ScoredPlan, ScoredBatch]:
    """Every image of a data set once, in batches of one padded size dealt to the ranks."""
    loader = Loader(_LoadScored(dataset, config), config.data.workers, share)
    return DealtBatches(loader, scored_plans(dataset, config.data, config.test.scales, batch_size))


def read_pair(
    dataset: SemanticDataset, index: int, config: SegmentationConfig
) -> tuple[NDArray[np.uint8], Labels]:
    """An image (H, W, 3) and its labels (H, W); UserError where they are not of one size."""
    path = dataset.image_path(index)
    pixels = decode(path, config.data.exif)
    labels = dataset.read_labels(index)
    if pixels.shape[:2] != labels.shape:
        height, width = pixels.shape[:2]
        file = dataset.read_labels.file(index)
        rule = f"an image and its labels must have one size, got {width}x{height} in {path} and"
        seen = f"{labels.shape[1]}x{labels.shape[0]} in {file}"
        way_out = "make the labels anew, or set data.exif=ignore where they follow the stored image"
        raise UserError(f"{rule} {seen}; {way_out}")
    return pixels, labels


def place(
    pixels: NDArray[np.uint8], labels: Labels, placement: Placement, config: SegmentationConfig
) -> Prepared:
    """Resize, crop and flip an image and its labels."""
    image = placement.of_image(pixels, config.data.resize_filter)
    return Prepared(image, placement.of_mask(labels))


def _augmented(
    augmenter: Augmenter, pixels: NDArray[np.uint8], labels: Labels, key: int
) -> tuple[NDArray[np.uint8], Labels]:
    """Augment an image and its labels; what comes into view is ignored.

    albumentations fills masks with 0, so that IGNORED is 0 meanwhile.
    """
    targets, _ = augmenter(Targets(pixels, masks=(labels + np.uint8(1),)), key)
    assert targets.masks is not None
    moved: Labels = targets.masks[0] - np.uint8(1)
    return targets.image, moved


def _varied_place(plan: ImagePlan, labels: Labels, limit: float) -> Placement:
    """The first of some places whose crop no class fills, or the last."""
    placement = plan.placement
    for placement in other_places(plan):
        counts = np.bincount(placement.of_mask(labels).ravel(), minlength=IGNORED + 1)[:IGNORED]
        if counts.max() < limit * counts.sum():
            break
    return placement
