"""Read batches for segmentation ahead with workers: images and labels placed, padded and
stacked.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.datasets.semantic.dataset import SemanticDataset, read_pair
from tasks.engine.loading import DealtBatches, Loader, PlannedBatches, Share
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.plans import ScoredPlan, TrainPlans, scored_plans
from tasks.stages import AUGMENT, stage
from tasks.vision.augment import Augmenter, build_augmenter
from tasks.vision.placement import ImagePlan
from tasks.vision.planning import BatchPlan
from tasks.vision.semantic.batch import ScoredBatch, SegmentationBatch, stack, stack_scored
from tasks.vision.semantic.prepare import Prepared, place, prepare


@dataclass(frozen=True)
class _Load:
    """Reads a plan's images, in a worker."""

    dataset: SemanticDataset
    config: SegmentationConfig
    augmenter: Augmenter | None

    def __call__(self, plan: BatchPlan) -> SegmentationBatch:
        with stage(AUGMENT):  # without decoding, which is a stage of its own
            prepared = [self._prepare(image) for image in plan.images]
        ids = self.dataset.image_ids[[image.index for image in plan.images]].tolist()
        return stack(prepared, plan.padded_size, ids, self.config.loss.class_weights)

    def _prepare(self, plan: ImagePlan) -> Prepared:
        data = self.config.data
        pixels, labels = read_pair(self.dataset, plan.index, data.exif)
        return prepare(pixels, labels, plan, data, self.augmenter)


@dataclass(frozen=True)
class _LoadScored:
    """Reads a plan's images for scoring, in a worker."""

    dataset: SemanticDataset
    config: SegmentationConfig

    def __call__(self, plan: ScoredPlan) -> ScoredBatch:
        data = self.config.data
        pairs = [read_pair(self.dataset, index, data.exif) for index in plan.indices]
        views: list[list[Prepared]] = []
        for placements in plan.placements:
            placed = zip(pairs, placements, strict=True)
            views.append([place(*pair, placement, data) for pair, placement in placed])
        ids = self.dataset.image_ids[list(plan.indices)].tolist()
        batch = stack(views[0], plan.padded_sizes[0], ids, self.config.loss.class_weights)
        further = list(zip(views[1:], plan.padded_sizes[1:], strict=True))
        return stack_scored(batch, [labels for _, labels in pairs], further)


class TrainBatches(PlannedBatches[BatchPlan, SegmentationBatch]):
    """Make the endless training batches of one rank."""

    def __init__(
        self, dataset: SemanticDataset, config: SegmentationConfig, share: Share | None = None
    ) -> None:
        data = config.data
        share = share or Share()
        augmenter = build_augmenter(data.augment, data.color_jitter)
        loader = Loader(_Load(dataset, config, augmenter), data.workers, share, data.timeout)
        super().__init__(loader, TrainPlans(dataset, data, share.seed), data.batch_size)


def scored_batches(
    dataset: SemanticDataset, config: SegmentationConfig, share: Share, batch_size: int = 1
) -> DealtBatches[ScoredPlan, ScoredBatch]:
    """Yield every image of a data set once, in batches of one padded size dealt to the ranks."""
    data = config.data
    loader = Loader(_LoadScored(dataset, config), data.workers, share, data.timeout)
    return DealtBatches(loader, scored_plans(dataset, data, config.test.scales, batch_size))
