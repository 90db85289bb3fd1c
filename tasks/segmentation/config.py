"""Settings of semantic segmentation. The defaults are detectron2's semantic FPN. Imports no torch.

Sources: detectron2 `Base-Panoptic-FPN.yaml` and `modeling/meta_arch/semantic_seg.py`; for the
alternatives mmsegmentation `configs/_base_`.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

from tasks.engine.settings import (
    OptimConfig,
    RunConfig,
    ScheduleConfig,
    TaskSettings,
    may_change,
    require,
)
from tasks.vision.settings import ImageDataConfig
from tasks.vision.settings_semantic import LossConfig, SemanticModelConfig, TestConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig(ImageDataConfig):
    """Data set, batches and augmentation."""

    root: str | None = may_change(None)
    """Data set in a layout that is known: COCO's, or folders of images and masks; or null to give
    data.train.* and data.val.*, of which `annotations` is a JSON file or a folder of masks."""
    labels: Literal["auto", "panoptic", "instances", "masks"] = "auto"
    """What the annotations are: COCO's panoptic or instances JSON, or PNG files whose values are
    classes; `auto` takes what is there, in this order."""
    classes: str | None = None
    """Of masks: camvid, ade20k, cityscapes, voc, coco_stuff, or a file of names, .txt, .yaml or
    .json, null for one beside the data. Of panoptic JSON: all, things, or stuff, with one class for
    all things."""
    ignore: tuple[int, ...] = ()
    """Values of masks that count for no class, besides those that the classes leave out."""
    crop: int | None = None
    """Side in pixels of the square that training cuts out of the image, at a place drawn evenly,
    after data.scale_jitter has scaled it by a factor; null for the whole image, as detectron2."""
    crop_largest_class: float = 1.0
    """Largest share of a class among a crop's labelled pixels; ten places are tried
    (mmsegmentation: 0.75)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.crop is None or self.crop >= self.size_divisor
        rule = f"data.crop must be at least data.size_divisor={self.size_divisor} or null"
        require(fits, rule, self.crop)
        rule = "data.crop_largest_class must be in (0, 1]"
        require(0 < self.crop_largest_class <= 1, rule, self.crop_largest_class)
        alone = self.crop_largest_class == 1 or self.crop is not None
        rule = "data.crop_largest_class takes data.crop"
        require(alone, rule, self.crop_largest_class)
        alone = self.crop is None or self.scale_jitter_side is None
        rule = "data.scale_jitter_side must be null with data.crop"
        require(alone, rule, self.scale_jitter_side)


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig(TaskSettings):
    """Everything that defines a segmentation experiment."""

    STEP_MEMORY: ClassVar = (
        "raise optim.accumulate, set model.checkpoint_activations=true, or lower data.batch_size,"
        " data.crop, or data.short_edge and data.long_edge"
    )
    SCORING_MEMORY: ClassVar = (
        "set test.window, or lower data.val_short_edge and data.long_edge, or test.scales"
    )

    task: Literal["segmentation"] = "segmentation"
    """What is trained."""
    data: DataConfig = field(default_factory=DataConfig)
    """Data set, batches and augmentation."""
    test: TestConfig = field(default_factory=TestConfig)
    """How images are scored, and labelled in use."""
    model: SemanticModelConfig = field(default_factory=SemanticModelConfig)
    """Backbone and head."""
    loss: LossConfig = field(default_factory=LossConfig)
    """What is minimised."""
    optim: OptimConfig = field(default_factory=partial(OptimConfig, lr=0.02, reference_batch=16))
    """Optimiser, gradient handling and weight averaging."""
    schedule: ScheduleConfig = field(
        default_factory=partial(
            ScheduleConfig,
            steps=90_000,
            reference_steps=90_000,
            milestones=(60_000, 80_000),
            warmup_steps=1000,
        )
    )
    """Length of training and learning-rate factor by step."""
    run: RunConfig = field(default_factory=partial(RunConfig, best_metric="seg/mIoU"))
    """Where and how the run is carried out."""

    @property
    def batch_size(self) -> int:
        """Images per optimiser step, over all ranks and micro-batches."""
        return self.data.batch_size

    @property
    def depends_on_micro_batches(self) -> bool:
        """Whether batch norms see one micro-batch at a time, or dropout is drawn for each."""
        head = self.model.head
        drawn = head.dropout > 0 or bool(self.model.options.drop_path)
        return self.model.learns_batch_norm or head.norm in ("batch", "sync") or drawn
