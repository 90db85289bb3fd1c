"""Settings of networks that give every pixel a class, and of their data.  Imports no torch."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tasks.engine.setting_declarations import may_change, require
from tasks.vision.settings import BackboneConfig, ImageDataConfig

HeadKind = Literal["fpn", "fcn", "deeplabv3", "deeplabv3plus"]
HeadNorm = Literal["group", "batch", "sync", "none"]


@dataclass(frozen=True, kw_only=True)
class SemanticDataConfig(ImageDataConfig):
    """Images with a class for every pixel, their batches and augmentation."""

    root: str | None = may_change(None)
    """Data set in COCO's layout, or with folders of images and masks; null to give data.train.* and
    data.val.*, whose `annotations` is a JSON file or a folder of masks."""
    labels: Literal["auto", "panoptic", "instances", "masks"] = "auto"
    """Kind of annotations: COCO's panoptic or instances JSON, or PNG masks whose values are
    classes; `auto` takes the first of these that exists."""
    classes: str | None = None
    """Classes. For masks: camvid, ade20k, cityscapes, voc, coco_stuff, or a file of names (.txt,
    .yaml or .json); null looks for one beside the data. For panoptic JSON: all, things, or stuff
    with one class for all things."""
    ignore: tuple[int, ...] = ()
    """Mask values to ignore, besides those that belong to no class."""
    crop: int | None = None
    """Side in pixels of a random square crop in training, after data.scale_jitter; null for the
    whole image, as detectron2."""
    crop_largest_class: float = 1.0
    """Largest share of one class among a crop's labelled pixels; up to ten crops are tried
    (mmsegmentation: 0.75)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.crop is None or self.crop >= self.size_divisor
        rule = f"data.crop must be at least data.size_divisor={self.size_divisor} or null"
        require(fits, rule, self.crop)
        rule = "data.crop_largest_class must be in (0, 1]"
        require(0 < self.crop_largest_class <= 1, rule, self.crop_largest_class)
        alone = self.crop_largest_class == 1 or self.crop is not None
        rule = "data.crop_largest_class needs data.crop"
        require(alone, rule, self.crop_largest_class)
        alone = self.crop is None or self.scale_jitter_side is None
        rule = "data.scale_jitter_side must be null with data.crop"
        require(alone, rule, self.scale_jitter_side)


@dataclass(frozen=True, kw_only=True)
class SemanticHeadConfig:
    """The head: turns a backbone's maps into logits of every class."""

    kind: HeadKind = "fpn"
    """`fpn` is the semantic FPN (Kirillov et al. 2019); `fcn` and `deeplabv3` are torchvision's
    heads; `deeplabv3plus` is Chen et al. 2018."""
    norm: HeadNorm = "group"
    """Normalisation in the head: `group` has 32 groups, or fewer if 32 do not divide the channels;
    torchvision's files need batch or sync."""
    dropout: float = 0.0
    """Probability of dropping a channel in training (Dropout2d, as in mmsegmentation and smp):
    before the last 1x1 convolution, and in DeepLab after the joined branches. mmsegmentation uses
    0.1."""
    auxiliary: float = 0.0
    """Weight of the loss of an auxiliary FCN head on the second coarsest level; 0 for no such head;
    0.4 in mmsegmentation, 0.5 in torchvision."""
    channels: int = 128
    """Width of the semantic FPN's branches."""
    pyramid_channels: int = 256
    """Width of the pyramid's maps."""
    smooth: bool = True
    """End the pyramid with a 3x3 convolution on each level (Lin et al. 2017), a third of the
    arithmetic; false is smp's FPN."""
    merge: Literal["sum", "cat"] = "sum"
    """How the branches are joined."""
    upsample: Literal["bilinear", "bilinear_corners"] = "bilinear"
    """How maps of the semantic FPN are enlarged; `bilinear_corners` aligns the centres of the
    corners' cells, as smp's FPN does."""
    atrous_rates: tuple[int, ...] = (12, 24, 36)
    """Dilations of DeepLab's 3x3 branches, for an output stride of 8; 6, 12, 18 for one of 16."""
    aspp_channels: int = 256
    """Width of DeepLab's branches and decoder."""
    low_level_channels: int = 48
    """Channels of the finest level in DeepLabV3+'s decoder."""

    def __post_init__(self) -> None:
        name = "model.head"
        require(0 <= self.dropout < 1, f"{name}.dropout must be in [0, 1)", self.dropout)
        require(self.auxiliary >= 0, f"{name}.auxiliary must be >= 0", self.auxiliary)
        for setting in ("channels", "pyramid_channels", "aspp_channels", "low_level_channels"):
            width = getattr(self, setting)
            require(width >= 1, f"{name}.{setting} must be >= 1", width)
        dilated = len(self.atrous_rates) > 0 and min(self.atrous_rates) >= 1
        rule = f"{name}.atrous_rates must name at least one rate, and each be >= 1"
        require(dilated, rule, self.atrous_rates)

    def check_micro_batch(self, images: int) -> None:
        """Raise UserError if a batch norm would see a single value, as DeepLab's of the pooled
        map.
        """
        pooled = self.kind in ("deeplabv3", "deeplabv3plus") and self.norm == "batch"
        kept = f"model.head.norm must be group, or sync on several GPUs, for {self.kind}"
        require(not pooled or images > 1, f"{kept} with one image a micro-batch", self.norm)


@dataclass(frozen=True, kw_only=True)
class SemanticModelConfig(BackboneConfig):
    """A backbone with a head that gives every pixel a class."""

    output_stride: Literal[8, 16, 32] | None = None
    """Largest stride of the backbone; later strides become dilation. Null is 32 for `fpn` and 8 for
    the other heads."""
    head: SemanticHeadConfig = field(default_factory=SemanticHeadConfig)
    """The head."""

    @property
    def backbone_stride(self) -> Literal[8, 16, 32]:
        """`output_stride`, with null resolved."""
        if self.output_stride is not None:
            return self.output_stride
        return 32 if self.head.kind == "fpn" else 8


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The loss of a network that gives every pixel a class: a weighted sum."""

    cross_entropy: float = 1.0
    """Weight of the cross-entropy, a mean over labelled pixels."""
    class_weights: tuple[float, ...] | None = None
    """Weight of each class in the cross-entropy, in the order of the labels; null for 1 each."""
    hard_below: float | None = None
    """Leave out pixels whose true class has at least this probability (online hard example mining;
    mmsegmentation: 0.7); null keeps all."""
    hard_least: int | None = None
    """Number of hardest pixels of each image that are kept anyway (mmsegmentation: 100,000 a
    batch); the mean is then over an image's kept pixels, and over images."""
    dice: float = 0.0
    """Weight of the Dice loss of each image's classes (Milletari et al. 2016)."""
    lovasz: float = 0.0
    """Weight of the Lovász-softmax loss of each image's classes (Berman et al. 2018)."""

    def __post_init__(self) -> None:
        weights = (self.cross_entropy, self.dice, self.lovasz)
        rule = "loss.cross_entropy, loss.dice and loss.lovasz must be >= 0, and one of them > 0"
        require(min(weights) >= 0 and max(weights) > 0, rule, weights)
        positive = self.class_weights is None or min(self.class_weights, default=-1.0) >= 0
        require(positive, "loss.class_weights must be >= 0 each, or null", self.class_weights)
        inside = self.hard_below is None or 0 < self.hard_below < 1
        require(inside, "loss.hard_below must be in (0, 1) or null", self.hard_below)
        whole = self.hard_least is None or self.hard_least >= 1
        require(whole, "loss.hard_least must be >= 1 or null", self.hard_least)
        fits = self.hard_least is None or self.hard_below is not None
        require(fits, "loss.hard_least needs loss.hard_below", self.hard_least)

    def check_classes(self, count: int) -> None:
        """Raise UserError if there is not one weight for each class."""
        if self.class_weights is not None:
            rule = f"loss.class_weights must name {count} weights, one for each class"
            require(len(self.class_weights) == count, rule, self.class_weights)


@dataclass(frozen=True, kw_only=True)
class TestConfig:
    """How an image is labelled at test."""

    __test__: ClassVar = False  # not a pytest class

    flip: bool = may_change(False)
    """Average probabilities with those of the mirror image."""
    scales: tuple[float, ...] = may_change((1.0,))
    """Average probabilities over the image at these factors of its test size."""
    window: int | None = may_change(None)
    """Side in pixels, a multiple of 32, of windows that slide over larger images. Memory then
    depends on the window, not on the image; null for whole images."""
    overlap: float = may_change(0.25)
    """Smallest overlap of neighbouring windows, as a share of a window."""

    def __post_init__(self) -> None:
        sized = len(self.scales) > 0 and min(self.scales) > 0
        require(sized, "test.scales must name at least one factor, and each be > 0", self.scales)
        fits = self.window is None or (self.window >= 32 and self.window % 32 == 0)
        require(fits, "test.window must be a multiple of 32, or null", self.window)
        require(0 <= self.overlap < 1, "test.overlap must be in [0, 1)", self.overlap)
        alone = self.window is None or (not self.flip and self.scales == (1.0,))
        rule = "test.window needs test.flip=false and test.scales=[1.0]"
        require(alone, rule, (self.flip, self.scales))
