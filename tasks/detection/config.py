"""Settings of Faster R-CNN training. The defaults are detectron2's recipe. Imports no torch.

Sources: detectron2 `config/defaults.py` and `Base-RCNN-FPN.yaml`; for the alternatives, torchvision
`models/detection/*`.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

from tasks.engine.setting_declarations import require
from tasks.engine.settings import OptimConfig, RunConfig, ScheduleConfig, TaskSettings
from tasks.vision.settings import BackboneConfig, ImageDataConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig(ImageDataConfig):
    """Data set, batches and augmentation."""

    copy_paste: float = 0.0
    """Probability of copy-paste in training: about half of another image's objects, at most 100,
    are pasted over the image (Ghiasi et al. 2021). Their masks are pasted if the annotations have
    them and data.augment moves nothing, otherwise their boxes."""
    repeat_threshold: float | None = None
    """Repeat images of rare categories: those in a smaller share of the images than this, by
    sqrt(threshold / share). LVIS uses 0.001; null repeats none."""
    keep_empty: bool = False
    """Train on images without objects too."""
    scored_detections: int = 100
    """Number of best detections per class and image that are scored; COCO's rule is 100. A larger
    number needs model.roi.detections_per_image to be as large."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.copy_paste <= 1, "data.copy_paste must be in [0, 1]", self.copy_paste)
        positive = self.repeat_threshold is None or 0 < self.repeat_threshold <= 1
        require(positive, "data.repeat_threshold must be in (0, 1] or null", self.repeat_threshold)
        rule = "data.scored_detections must be >= 10"
        require(self.scored_detections >= 10, rule, self.scored_detections)


@dataclass(frozen=True, kw_only=True)
class AnchorConfig:
    """Anchor boxes: one size a pyramid level, every aspect ratio at every cell."""

    sizes: tuple[float, ...] = (32, 64, 128, 256, 512)
    """Square root of the anchors' area in pixels, by level from p2 to p6."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height over width."""
    rounded: bool = False
    """Round anchor corners to whole pixels, as torchvision does."""
    strides: Literal["nominal", "measured"] = "nominal"
    """Distance of the cells: the level's stride, or padded image size // feature size
    (torchvision)."""

    def __post_init__(self) -> None:
        require(
            len(self.sizes) == 5, "model.anchors.sizes must name five sizes, p2 to p6", self.sizes
        )
        require(min(self.sizes) > 0, "model.anchors.sizes must be > 0", self.sizes)
        require(
            len(self.ratios) > 0 and min(self.ratios) > 0,
            "model.anchors.ratios must be > 0",
            self.ratios,
        )


@dataclass(frozen=True, kw_only=True)
class RpnConfig:
    """Region proposal network."""

    positive_iou: float = 0.7
    """Anchors that overlap an object at least this much are positive."""
    negative_iou: float = 0.3
    """Anchors that overlap every object less than this are negative."""
    low_quality: bool = True
    """The best anchors of each object are positive whatever their overlap."""
    samples: int = 256
    """Number of anchors per image that enter the loss."""
    positive_fraction: float = 0.5
    """Largest share of positives among them."""
    train_pre_nms: int = 2000
    """Proposals per level before suppression, in training."""
    train_post_nms: int = 1000
    """Proposals per image after suppression, in training."""
    test_pre_nms: int = 1000
    """Proposals per level before suppression, at test."""
    test_post_nms: int = 1000
    """Proposals per image after suppression, at test."""
    nms_threshold: float = 0.7
    """Proposals of one level that overlap a better one more than this are suppressed."""
    nms_passes: int = 16
    """Fixed-point passes of the suppression in training on a GPU; inference is always exact."""
    min_side: float = 0.0
    """Proposals with a smaller side (resized pixels), or without extent, are dropped; torchvision:
    0.001."""
    box_loss: Literal["l1", "smooth_l1"] = "l1"
    """Loss of the box offsets."""
    beta: float = 1 / 9
    """Where smooth L1 turns from quadratic to linear."""
    normalizer: Literal["fixed", "sampled"] = "fixed"
    """Divide losses by samples x images, as detectron2 does, or by the number of sampled anchors,
    as torchvision does."""
    ignore_crowd_iof: float | None = None
    """Negative anchors of which at least this share lies in a crowd box are ignored; null counts
    them as negatives."""

    def __post_init__(self) -> None:
        rule = "model.rpn needs 0 <= negative_iou <= positive_iou <= 1"
        require(
            0 <= self.negative_iou <= self.positive_iou <= 1,
            rule,
            (self.negative_iou, self.positive_iou),
        )
        require(self.samples >= 2, "model.rpn.samples must be >= 2", self.samples)
        require(
            0 < self.positive_fraction < 1,
            "model.rpn.positive_fraction must be in (0, 1)",
            self.positive_fraction,
        )
        counts = (self.train_pre_nms, self.train_post_nms, self.test_pre_nms, self.test_post_nms)
        require(min(counts) >= 1, "model.rpn's proposal counts must be >= 1", counts)
        require(
            0 < self.nms_threshold <= 1,
            "model.rpn.nms_threshold must be in (0, 1]",
            self.nms_threshold,
        )
        require(self.nms_passes >= 1, "model.rpn.nms_passes must be >= 1", self.nms_passes)
        require(self.min_side >= 0, "model.rpn.min_side must be >= 0", self.min_side)
        require(self.beta > 0, "model.rpn.beta must be > 0", self.beta)


@dataclass(frozen=True, kw_only=True)
class RoiConfig:
    """Box head: RoIAlign, two fully connected layers, class and box predictors, and the test-time
    rules.
    """

    resolution: int = 7
    """Side of the pooled window in cells."""
    sampling_ratio: int = 2
    """Sample points per cell and axis; 0 adapts to the box size, as detectron2 does."""
    aligned: bool = True
    """Half-pixel-correct RoIAlign; false is the legacy rule that torchvision's detector uses."""
    level_rule: Literal["detectron2", "torchvision"] = "detectron2"
    """Place of the 1e-8 or 1e-6 in the pyramid level rule (Lin et al. 2017, eq. 1)."""
    hidden: int = 1024
    """Width of the two fully connected layers."""
    init: Literal["detectron2", "torchvision"] = "detectron2"
    """Initialisation of the fully connected layers and predictors."""
    positive_iou: float = 0.5
    """Proposals that overlap an object at least this much are its samples; the others are
    background."""
    samples: int = 512
    """Number of proposals per image that enter the loss."""
    positive_fraction: float = 0.25
    """Largest share of positives among them."""
    box_loss: Literal["l1", "smooth_l1"] = "l1"
    """Loss of the box offsets."""
    beta: float = 1 / 9
    """Where smooth L1 turns from quadratic to linear."""
    normalizer: Literal["fixed", "sampled"] = "fixed"
    """Divide losses by samples x images, which is the same on any number of GPUs, or by the number
    of sampled proposals, as detectron2 and torchvision do; the two differ only if an image has
    fewer proposals than samples."""
    ignore_crowd_iof: float | None = None
    """Background proposals of which at least this share lies in a crowd box are ignored; null keeps
    them."""
    score_threshold: float = 0.05
    """Detections with a lower score are dropped."""
    nms_threshold: float = 0.5
    """Detections of one class that overlap a better one more than this are suppressed."""
    detections_per_image: int = 100
    """Most detections kept in an image."""
    min_side: float = 0.0
    """Detections with a smaller side (resized pixels), or without extent, are dropped; torchvision:
    0.01."""

    def __post_init__(self) -> None:
        require(self.resolution >= 1, "model.roi.resolution must be >= 1", self.resolution)
        require(
            self.sampling_ratio >= 0, "model.roi.sampling_ratio must be >= 0", self.sampling_ratio
        )
        require(self.hidden >= 1, "model.roi.hidden must be >= 1", self.hidden)
        require(
            0 < self.positive_iou <= 1,
            "model.roi.positive_iou must be in (0, 1]",
            self.positive_iou,
        )
        require(self.samples >= 2, "model.roi.samples must be >= 2", self.samples)
        require(
            0 < self.positive_fraction < 1,
            "model.roi.positive_fraction must be in (0, 1)",
            self.positive_fraction,
        )
        require(self.beta > 0, "model.roi.beta must be > 0", self.beta)
        require(
            0 <= self.score_threshold < 1,
            "model.roi.score_threshold must be in [0, 1)",
            self.score_threshold,
        )
        require(
            0 < self.nms_threshold <= 1,
            "model.roi.nms_threshold must be in (0, 1]",
            self.nms_threshold,
        )
        rule = "model.roi.detections_per_image must be >= 1"
        require(self.detections_per_image >= 1, rule, self.detections_per_image)
        require(self.min_side >= 0, "model.roi.min_side must be >= 0", self.min_side)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(BackboneConfig):
    """Backbone, pyramid and heads."""

    pyramid_channels: int = 256
    """Channels of every pyramid level."""
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    """Anchor boxes."""
    rpn: RpnConfig = field(default_factory=RpnConfig)
    """Region proposal network."""
    roi: RoiConfig = field(default_factory=RoiConfig)
    """Box head."""

    def __post_init__(self) -> None:
        require(
            self.pyramid_channels >= 1, "model.pyramid_channels must be >= 1", self.pyramid_channels
        )


def _without_fast(values: dict[str, Any]) -> dict[str, Any]:
    """Drop model.fast from settings of 0.1.0; each operation chooses its route by itself now."""
    model = dict(values.get("model") or {})
    model.pop("fast", None)
    return {**values, "model": model}


@dataclass(frozen=True, kw_only=True)
class DetectionConfig(TaskSettings):
    """Everything that defines a Faster R-CNN experiment."""

    UPGRADES: ClassVar = (_without_fast,)
    STEP_MEMORY: ClassVar = (
        "raise optim.accumulate, set model.checkpoint_activations=true, or lower data.batch_size,"
        " or data.short_edge and data.long_edge"
    )
    SCORING_MEMORY: ClassVar = (
        "lower data.val_short_edge and data.long_edge, or the model's test-time counts"
    )
    REMOVED: ClassVar = {"model.fast": "each operation chooses its fastest route by itself"}

    task: Literal["detection"] = "detection"
    """What is trained."""
    data: DataConfig = field(default_factory=DataConfig)
    """Data set, batches and augmentation."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Backbone, pyramid and heads."""
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
    run: RunConfig = field(default_factory=partial(RunConfig, best_metric="box/AP"))
    """Where and how the run is carried out."""

    @property
    def batch_size(self) -> int:
        """Images per optimiser step, over all ranks and micro-batches."""
        return self.data.batch_size

    @property
    def depends_on_micro_batches(self) -> bool:
        """Whether batch norms or a loss's normaliser see one micro-batch at a time."""
        normalizers = (self.model.rpn.normalizer, self.model.roi.normalizer)
        return self.model.learns_batch_norm or "sampled" in normalizers
