"""Settings that tasks on images share.  Imports no torch, so that `--help` answers at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.engine.setting_declarations import may_change, require
from tasks.engine.settings import TIMEOUT


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """One split of a data set."""

    images: str | None = may_change(None)
    """Folder that the file names in `annotations` are relative to; null to look under data.root."""
    annotations: str | None = may_change(None)
    """COCO JSON file; null to look under data.root."""
    limit: int | None = None
    """Use only this many images, the first by id; null for all."""

    @property
    def is_named(self) -> bool:
        """Whether its files are set, so that none are looked for."""
        return self.images is not None or self.annotations is not None

    def __post_init__(self) -> None:
        rule = "data.train.limit and data.val.limit must be >= 1 or null"
        require(self.limit is None or self.limit >= 1, rule, self.limit)


@dataclass(frozen=True, kw_only=True)
class ValSplitConfig(SplitConfig):
    """The split that is scored."""

    limit: int | None = may_change(None)
    """Use only this many images, the first by id; null for all."""


@dataclass(frozen=True, kw_only=True)
class ImageDataConfig:
    """Images of a data set: their place, resizing, augmentation and batches."""

    root: str | None = may_change(None)  # a data set may move; the checkpoint knows its classes
    """Data set in COCO's layout: train2017/ and annotations/instances_train2017.json, or the same
    without 2017."""
    train: SplitConfig = field(default_factory=SplitConfig)
    """Training split."""
    val: ValSplitConfig = field(default_factory=ValSplitConfig)
    """Validation split."""
    batch_size: int = 16
    """Images per optimiser step, over all ranks and micro-batches."""
    short_edge: tuple[int, ...] = (640, 672, 704, 736, 768, 800)
    """Shorter image side in pixels after resizing; training draws one of the list for each
    image."""
    long_edge: int = 1333
    """Longest allowed image side in pixels after resizing."""
    val_short_edge: int | None = None
    """Shorter image side in evaluation and prediction; null for the largest of `short_edge`."""
    resize_rounding: Literal["half_up", "floor"] = "half_up"
    """Rounding of the resized sides: `half_up` is detectron2's int(x + 0.5), `floor`
    torchvision's."""
    resize_filter: Literal["antialias", "bilinear"] = "antialias"
    """`antialias` is PIL's bilinear filter, as in detectron2; `bilinear` the plain one of
    torchvision's detector."""
    flip: float = 0.5
    """Probability of a horizontal flip in training."""
    scale_jitter: tuple[float, float] | None = None
    """Large-scale jitter in training: scale the resized image by a random factor from this range,
    and crop to the target size at a random place; detectron2 uses [0.1, 2.0]."""
    scale_jitter_side: int | None = None
    """Target size of large-scale jitter: the side of a square in pixels (detectron2: 1024); null
    for the resized size."""
    color_jitter: float = 0.0
    """Strength in [0, 1] of albumentations' ColorJitter (brightness, contrast, saturation; hue a
    tenth of it)."""
    augment: str | None = None
    """File written by albumentations' `save` (JSON or YAML) whose transforms are applied before the
    resize."""
    exif: Literal["apply", "ignore"] = "apply"
    """Whether EXIF rotation is applied to the pixels, in training and at test alike."""
    check_sizes: bool = may_change(True)
    """Read every image's header at the start and compare its size with the annotations; false to
    skip."""
    size_divisor: int = 32
    """Padded sides are multiples of this many pixels."""
    workers: int = may_change(2)
    """Loader processes per rank; 0 loads in the main process."""
    timeout: float = may_change(TIMEOUT)
    """Seconds to wait for a batch of the loader processes before the run ends with an error that
    says what is waited for; not used with 0 workers."""

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "data.batch_size must be >= 1", self.batch_size)
        named = len(self.short_edge) > 0 and min(self.short_edge) >= 1
        rule = "data.short_edge must name at least one size, and each be >= 1"
        require(named, rule, self.short_edge)
        sized = self.val_short_edge is None or self.val_short_edge >= 1
        require(sized, "data.val_short_edge must be >= 1 or null", self.val_short_edge)
        longest = max(*self.short_edge, self.test_short_edge)
        rule = "data.long_edge must be at least the largest data.short_edge"
        require(self.long_edge >= longest, rule, self.long_edge)
        require(0 <= self.flip <= 1, "data.flip must be in [0, 1]", self.flip)
        self._check_scale_jitter()
        inside = 0 <= self.color_jitter <= 1
        require(inside, "data.color_jitter must be in [0, 1]", self.color_jitter)
        divisible = self.size_divisor >= 32 and self.size_divisor % 32 == 0
        require(divisible, "data.size_divisor must be a multiple of 32", self.size_divisor)
        require(self.workers >= 0, "data.workers must be >= 0", self.workers)
        require(self.timeout > 0, "data.timeout must be > 0", self.timeout)

    def _check_scale_jitter(self) -> None:
        if self.scale_jitter is not None:
            low, high = self.scale_jitter
            rule = "data.scale_jitter must be null or two factors, 0 < low <= high"
            require(0 < low <= high < float("inf"), rule, self.scale_jitter)
        if self.scale_jitter_side is None:
            return
        largest = max(self.long_edge, self.size_divisor)
        inside = self.size_divisor <= self.scale_jitter_side <= largest
        limits = "at least data.size_divisor and at most data.long_edge"
        rule = f"data.scale_jitter_side must be null or {limits}"
        require(inside, rule, self.scale_jitter_side)

    def split(self, name: Literal["train", "val"]) -> SplitConfig:
        """The settings of a split."""
        return self.train if name == "train" else self.val

    @property
    def test_short_edge(self) -> int:
        """Shorter image side in evaluation and prediction, in pixels."""
        return max(self.short_edge) if self.val_short_edge is None else self.val_short_edge


@dataclass(frozen=True, kw_only=True)
class OptionsConfig:
    """Options of a family of backbones; null is its default."""

    shortcut: Literal["A", "A_centred", "B", "C"] | None = None
    """Shortcuts where a block changes the shape: zero padding (A) or a projection (B); C projects
    in every block."""
    drop_path: float | None = None
    """Stochastic depth: probability of dropping the last block's branch in training; it grows
    linearly with depth (Huang et al. 2016)."""
    zero_init_residual: bool | None = None
    """Start the last norm of each block at zero (Goyal et al. 2017)."""
    squeeze_excite: int | None = None
    """Reduction ratio of squeeze-and-excitation."""
    order: Literal["original", "norm_after", "relu_before", "relu_only", "full"] | None = None
    """Activation order of `resnetv2_…` CIFAR nets (Identity Mappings, table 2)."""
    gate: Literal["none", "constant", "exclusive", "shortcut_only", "dropout"] | None = None
    """Gate on the shortcuts of `resnetv2_…` CIFAR nets (Identity Mappings, table 1)."""
    shortcut_scale: float | None = None
    """Factor of the shortcut with `gate=constant`."""
    branch_scale: float | None = None
    """Factor of the branch with `gate=constant`."""
    gate_bias: float | None = None
    """First value of the gates' biases."""
    dropout: float | None = None
    """Dropout rate of the shortcut with `gate=dropout`."""
    width: int | None = None
    """Channels of a VGG's first stage, 64 in the paper; later stages have 2, 4, 8 and 8 times as
    many."""
    head: Literal["paper", "mean"] | None = None
    """Head of a VGG that classifies: the paper's three layers, or one on the mean of the cells, for
    small images."""

    def given(self) -> dict[str, Any]:
        """Return the options that are set, by name."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """Backbone of a task's network and where its weights come from."""

    backbone: str = "resnet50"
    """A registered backbone; a wrong name is answered with the list."""
    weights: str | None = None
    """Weights to start from: a run, a checkpoint, a file of weights, `torchvision:…`, `timm:…`,
    `ours:…`, or null for scratch."""
    norm: Literal["auto", "batch", "frozen", "sync", "group"] = "auto"
    """Backbone normalisation; `auto` is frozen with weights and batch without."""
    freeze_through: Literal["auto", "none", "stem", "c2", "c3", "c4", "c5"] = "auto"
    """Last backbone stage that is not trained; `auto` is c2 with weights and none without."""
    stride_in: Literal["3x3", "1x1"] = "3x3"
    """Which convolution of a bottleneck carries the stride; 1x1 is the original paper's."""
    checkpoint_activations: bool = may_change(False)
    """Recompute backbone activations in the backward pass: less memory, about a third more time."""

    options: OptionsConfig = field(default_factory=OptionsConfig)
    """Options of the backbone's family; null keeps the family's default."""

    @property
    def learns_batch_norm(self) -> bool:
        """Whether batch norms learn their statistics from the images of a micro-batch."""
        return self.norm in ("batch", "sync") or (self.norm == "auto" and self.weights is None)


def small_batch_warning(model: BackboneConfig, micro_batch: int) -> list[str]:
    """Return a warning if batch norms see too few images at a time (Wu and He 2018, fig. 1)."""
    if not model.learns_batch_norm or micro_batch >= 8:
        return []
    seen = f"batch norm sees {micro_batch} images at a time"
    way_out = "model.norm=group does not depend on it, nor does frozen with model.weights"
    return [f"warning: {seen}, and fewer than 8 make poor statistics; {way_out}"]


def whole_split(overrides: Sequence[str]) -> list[str]:
    """Return the overrides, without settings that would take precedence over another data set's."""
    if any(override.startswith("data.root=") for override in overrides):
        return [
            *(f"data.val.{name}=null" for name in ("images", "annotations", "limit")),
            *overrides,
        ]
    if any(override.startswith("data.val.annotations=") for override in overrides):
        return ["data.val.limit=null", *overrides]
    return list(overrides)
