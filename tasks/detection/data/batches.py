"""Read batches for detection ahead with workers: images and boxes are resized by the recipe's rule,
padded and stacked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset, read_segmentations
from tasks.detection.config import DataConfig
from tasks.detection.data.batch import DetectionBatch, stack
from tasks.detection.data.plans import Plan, TrainPlans, val_plans
from tasks.detection.data.prepare import load, without_objects
from tasks.engine.loading import DealtBatches, Loader, PlannedBatches, Share
from tasks.labels import FileId
from tasks.stages import AUGMENT, stage
from tasks.vision.augment import Augmenter, build_augmenter
from tasks.vision.padding import LEAST_OBJECTS
from tasks.vision.planning import evaluation_padding


@dataclass(frozen=True)
class _Load:
    """Reads a plan's images, in a worker."""

    dataset: CocoDataset
    config: DataConfig
    augmenter: Augmenter | None = None
    segmentations: Sequence[FileId] | None = None

    def __call__(self, plan: Plan) -> DetectionBatch:
        with stage(AUGMENT):  # without decoding, which is a stage of its own
            prepared = [
                load(self.dataset, image, self.config, self.augmenter, self.segmentations)
                for image in plan.images
            ]
        ids = self.dataset.image_ids[[image.index for image in plan.images]].tolist()
        keys = [image.key for image in plan.images]
        return stack(prepared, plan.padded_size, plan.max_objects, ids, keys)


class TrainBatches(PlannedBatches[Plan, DetectionBatch]):
    """Make the endless training batches of one rank."""

    plan: TrainPlans

    def __init__(
        self, dataset: CocoDataset, config: DataConfig, share: Share | None = None
    ) -> None:
        share = share or Share()
        share.micro_batch(config.batch_size)  # before the slow reading
        plan = TrainPlans(dataset, config, share.seed)
        segmentations = read_segmentations(dataset) if config.copy_paste > 0 else None  # (M,)
        augmenter = build_augmenter(config.augment, config.color_jitter)
        load_plan = _Load(dataset, config, augmenter, segmentations)
        loader = Loader(load_plan, config.workers, share, config.timeout)
        super().__init__(loader, plan, config.batch_size)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Describe the training images."""
        return self.plan.warnings


class ValBatches(DealtBatches[Plan, DetectionBatch]):
    """Yield every image of a data set once, in batches of one padded size dealt to the ranks."""

    def __init__(
        self,
        dataset: CocoDataset,
        config: DataConfig,
        share: Share | None = None,
        batch_size: int = 1,
    ) -> None:
        load = _Load(dataset, config)
        loader = Loader(load, config.workers, share or Share(), config.timeout)
        super().__init__(loader, val_plans(dataset, config, batch_size))


def collate_images(images: Sequence[NDArray[np.uint8]], config: DataConfig) -> DetectionBatch:
    """Make a batch without targets from decoded images (H, W, 3), numbered from 1, resized and
    padded as in evaluation.
    """
    prepared = [without_objects(image, config) for image in images]
    sizes = [(item.image.shape[1], item.image.shape[2]) for item in prepared]
    numbers = list(range(1, len(prepared) + 1))
    padded_size = evaluation_padding(sizes, config)
    return stack(prepared, padded_size, LEAST_OBJECTS, numbers, [0] * len(prepared))
