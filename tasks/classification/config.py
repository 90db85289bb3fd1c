"""Settings of an image classifier.  Imports no torch."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

from resnet_backbones.errors import UserError
from tasks.classification.data_config import DataConfig
from tasks.engine.setting_declarations import may_change, require
from tasks.engine.settings import OptimConfig, RunConfig, ScheduleConfig, TaskSettings
from tasks.vision.settings import OptionsConfig

Interpolation = Literal["bilinear", "bicubic", "lanczos", "nearest"]
Views = Literal["one", "ten", "scales"]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation of training images."""

    crop: Literal["resized", "scaled", "padded", "center"] = "resized"
    """How the square is cut out: `resized` is a window of random `area` and `ratio`, resized
    (Szegedy et al. 2015); `scaled` draws the shorter side of the image from `short_edge` (He et al.
    2016); `padded` cuts from an image with `pad` pixels around it (CIFAR); `center` is as at
    test."""
    size: int = 224
    """Side of the square in pixels."""
    area: tuple[float, float] = (0.08, 1.0)
    """Range of a `resized` window's share of the image's area."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of a `resized` window's width over height, drawn log-uniformly."""
    short_edge: tuple[int, int] = (256, 480)
    """Range of the shorter side of a `scaled` image in pixels."""
    pad: int = 4
    """Pixels around a `padded` image, of the mean colour, which normalisation makes zero."""
    interpolation: Interpolation = "bilinear"
    """Interpolation of the resize."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    color_jitter: float = 0.0
    """Strength in [0, 1] of albumentations' ColorJitter (brightness, contrast, saturation; hue a
    tenth of it)."""
    file: str | None = None
    """File written by albumentations' `save` (JSON or YAML) whose transforms are applied to the
    square."""
    policy: str | None = None
    """Random operations on the square: `trivial` is torchvision's TrivialAugmentWide, `rand-…` and
    `augmix-…` are timm's, such as rand-m7-mstd0.5-inc1."""
    lighting: float = 0.0
    """Standard deviation of AlexNet's noise along the principal colours (Krizhevsky et al. 2012:
    0.1)."""
    erase: float = 0.0
    """Probability that a random rectangle becomes the mean colour (Zhong et al. 2020)."""
    cutout: int = 0
    """Side in pixels of a square that becomes the mean colour (DeVries and Taylor 2017)."""
    mixup: float = 0.0
    """Alpha of mixup (Zhang et al. 2018); 0 for none. With `cutmix` too, each step draws one."""
    cutmix: float = 0.0
    """Alpha of CutMix (Yun et al. 2019); 0 for none."""
    repeats: int = 1
    """Copies of each image in a batch, augmented differently (Hoffer et al. 2020). An epoch keeps
    its number of steps, and so has fewer images."""

    def __post_init__(self) -> None:
        require(self.size >= 1, "augment.size must be >= 1", self.size)
        for name in ("area", "ratio", "short_edge"):
            low, high = getattr(self, name)
            rule = f"augment.{name} must be two numbers, 0 < low <= high"
            require(0 < low <= high, rule, getattr(self, name))
        require(self.area[1] <= 1, "augment.area must be at most 1", self.area)
        for name in ("flip", "color_jitter", "erase"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"augment.{name} must be in [0, 1]", value)
        for name in ("pad", "lighting", "cutout", "mixup", "cutmix"):
            value = getattr(self, name)
            require(value >= 0, f"augment.{name} must be >= 0", value)
        require(self.repeats >= 1, "augment.repeats must be >= 1", self.repeats)
        fits = self.crop != "scaled" or self.short_edge[0] >= self.size
        rule = f"augment.short_edge must be at least augment.size={self.size}"
        require(fits, rule, self.short_edge)
        self._check_policy()

    def _check_policy(self) -> None:
        policy = self.policy
        known = policy in (None, "trivial") or str(policy).startswith(("rand-", "augmix-"))
        require(known, "augment.policy must be null, trivial, rand-… or augmix-…", policy)

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed with each other."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def erases(self) -> bool:
        """Whether parts of images become the mean colour."""
        return self.erase > 0 or self.cutout > 0

    @property
    def needs_pixels(self) -> bool:
        """Whether single images are augmented in a way that only workers can do."""
        per_image = (self.color_jitter, self.file, self.policy, self.lighting)
        return any(value not in (None, 0) for value in per_image)


@dataclass(frozen=True, kw_only=True)
class TestConfig:
    """How images are scored."""

    __test__: ClassVar = False  # not a pytest class

    resize: int | None = 256
    """Shorter side in pixels that images are resized to; null leaves them as they are."""
    crop: int = 224
    """Side in pixels of the square that is then cut from their centre."""
    interpolation: Interpolation = "bilinear"
    """Interpolation of the resize."""
    views: Views = "one"
    """`one` square; `ten`, the centre, the corners and their mirror images (Krizhevsky et al.
    2012); `scales`, the whole image at each of `scales` (He et al. 2016). Probabilities are
    averaged."""
    scales: tuple[int, ...] = (224, 256, 384, 480, 640)
    """Shorter sides in pixels for views=scales."""
    flip: bool = False
    """Average with the mirror images too; `ten` already includes them."""
    precise_norm: int = 0
    """Number of training images for computing batch-norm statistics again before scoring, as for
    the paper's weights; 0 keeps the statistics."""
    ensemble: tuple[str, ...] = ()
    """Further runs or checkpoints whose probabilities are averaged with the model's."""

    def __post_init__(self) -> None:
        require(self.crop >= 1, "test.crop must be >= 1", self.crop)
        fits = self.resize is None or self.resize >= self.crop
        require(fits, f"test.resize must be null or at least test.crop={self.crop}", self.resize)
        sized = len(self.scales) > 0 and min(self.scales) >= 1
        require(sized, "test.scales must name sizes >= 1", self.scales)
        require(self.precise_norm >= 0, "test.precise_norm must be >= 0", self.precise_norm)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Network and where its weights come from."""

    backbone: str = "resnet50"
    """A registered backbone; a wrong name is answered with the list."""
    weights: str | None = None
    """Weights to start from: a run, a checkpoint, a file of weights, `torchvision:…`, `timm:…`,
    `ours:…`, or null for scratch."""
    head: Literal["auto", "load", "new"] = "auto"
    """How the head of `weights` is used: `auto` keeps the rows of classes with matching names, and
    initialises the others at random; `load` takes all rows, by the order of the classes; `new`
    initialises all at random."""
    norm: Literal["batch", "frozen", "sync", "group"] = "batch"
    """Normalisation."""
    freeze_through: Literal["none", "stem", "c2", "c3", "c4", "c5"] = "none"
    """Last stage that is not trained."""
    stride_in: Literal["3x3", "1x1"] = "3x3"
    """Which convolution of a bottleneck carries the stride; 1x1 is the original paper's."""
    checkpoint_activations: bool = may_change(False)
    """Recompute activations in the backward pass: less memory, about a third more time."""
    options: OptionsConfig = field(default_factory=OptionsConfig)
    """Options of the backbone's family; null keeps the family's default."""

    def __post_init__(self) -> None:
        fits = self.norm != "frozen" or self.weights is not None
        require(fits, "model.norm=frozen needs model.weights", self.weights)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Loss of training."""

    name: Literal["cross_entropy", "bce"] = "cross_entropy"
    """Cross-entropy, or binary cross-entropy of every class (Wightman et al. 2021)."""
    smoothing: float = 0.0
    """Label smoothing (Szegedy et al. 2016)."""
    threshold: float | None = None
    """In `bce`, shares of mixed targets above this count as 1; null keeps them."""
    auxiliary: float = 0.3
    """Weight of each auxiliary head's loss, if the network has any (GoogLeNet)."""

    def __post_init__(self) -> None:
        require(0 <= self.smoothing < 1, "loss.smoothing must be in [0, 1)", self.smoothing)
        inside = self.threshold is None or 0 < self.threshold < 1
        require(inside, "loss.threshold must be in (0, 1) or null", self.threshold)
        fits = self.threshold is None or self.name == "bce"
        require(fits, "loss.threshold needs loss.name=bce", self.name)
        require(self.auxiliary >= 0, "loss.auxiliary must be >= 0", self.auxiliary)


@dataclass(frozen=True, kw_only=True)
class ClassificationConfig(TaskSettings):
    """Everything that defines the training of a classifier."""

    STEP_MEMORY: ClassVar = (
        "raise optim.accumulate, set model.checkpoint_activations=true, or lower data.batch_size"
        " or augment.size"
    )
    SCORING_MEMORY: ClassVar = "lower test.crop, or the sizes in test.scales"

    task: Literal["classification"] = "classification"
    """What is trained."""
    data: DataConfig = field(default_factory=DataConfig)
    """Data set and batches."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of training images."""
    test: TestConfig = field(default_factory=TestConfig)
    """How images are scored."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Network and where its weights come from."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Loss of training."""
    optim: OptimConfig = field(default_factory=partial(OptimConfig, lr=0.1, reference_batch=256))
    """Optimiser, gradient handling and weight averaging."""
    schedule: ScheduleConfig = field(
        default_factory=partial(
            ScheduleConfig,
            steps=450_000,
            reference_steps=450_000,
            milestones=(150_000, 300_000),
        )
    )
    """Length of training and learning-rate factor by step."""
    run: RunConfig = field(default_factory=partial(RunConfig, best_metric="val/top1"))
    """Where and how the run is carried out."""

    def __post_init__(self) -> None:
        if self.data.decoded and self.augment.crop in ("resized", "scaled"):
            rule = "data.decoded=true needs augment.crop=padded or center"
            raise UserError(f"{rule}, got {self.augment.crop}")
        if self.data.decoded and self.augment.needs_pixels:
            rule = "data.decoded=true augments on the device, which has no color_jitter, file,"
            raise UserError(f"{rule} policy or lighting; set data.decoded=false for those")
        if self.data.streamed:
            rule = "augment.repeats must be 1 with a stream of shards, whose images come in turn"
            require(self.augment.repeats == 1, rule, self.augment.repeats)
            rule = "run.eval_sets must be [val] with a stream of shards, which is not scored"
            require(self.run.eval_sets == ("val",), rule, self.run.eval_sets)

    @property
    def batch_size(self) -> int:
        """Images per optimiser step, over all ranks and micro-batches."""
        return self.data.batch_size

    @property
    def depends_on_micro_batches(self) -> bool:
        """Whether batch norms see one micro-batch at a time, or images are mixed within one."""
        return self.model.norm in ("batch", "sync") or self.augment.mixes
