"""Settings that every task shares: optimiser, schedule and run. Imports no torch.

The defaults belong to no task: each task states its own in its settings class.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tasks.engine.setting_declarations import excluding, may_change, require

TIMEOUT = 300.0  # seconds to wait for a batch of a loader's processes


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimiser, gradient handling and weight averaging."""

    name: Literal["sgd", "adamw", "lamb", "nadamw"] = "sgd"
    """Optimiser; `lamb` (You et al. 2020) and `nadamw` are timm's with its defaults, among them
    LAMB's own largest gradient norm of 1."""
    lr: float = 0.01
    """Peak learning rate at `reference_batch` images; scaled linearly for other values of
    data.batch_size."""
    reference_batch: int = 16
    """Global batch size, in images, that `lr` is stated for."""
    momentum: float = 0.9
    """SGD momentum."""
    nesterov: bool = False
    """Nesterov's form of SGD's momentum."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the averages of the gradient and of its square; for all optimisers but SGD."""
    weight_decay: float = 1e-4
    """Weight decay of all but the normalisation layers."""
    norm_weight_decay: float = 0.0
    """Weight decay of normalisation layers' weights and biases."""
    bias_weight_decay: float | None = None
    """Weight decay of the biases of other layers; null for `weight_decay`."""
    accumulate: int = may_change(1, unless="depends_on_micro_batches")
    """Micro-batches per step and rank; data.batch_size counts the images of all of them."""
    clip_norm: float | None = None
    """Largest global gradient norm; null for no clipping."""
    ema_decay: float | None = None
    """Decay per step of an exponential moving average of the weights; the averaged weights are
    scored. Null for none."""
    ema_every: int = 1
    """Steps between two updates of that average; `ema_decay` applies to an update."""
    max_skipped: int = may_change(20)
    """Number of consecutive updates skipped for non-finite gradients at which training ends with an
    error."""

    def __post_init__(self) -> None:
        require(self.max_skipped >= 1, "optim.max_skipped must be >= 1", self.max_skipped)
        require(self.lr > 0, "optim.lr must be > 0", self.lr)
        rule = "optim.reference_batch must be >= 1"
        require(self.reference_batch >= 1, rule, self.reference_batch)
        require(0 <= self.momentum < 1, "optim.momentum must be in [0, 1)", self.momentum)
        require(self.weight_decay >= 0, "optim.weight_decay must be >= 0", self.weight_decay)
        rule = "optim.norm_weight_decay must be >= 0"
        require(self.norm_weight_decay >= 0, rule, self.norm_weight_decay)
        require(self.accumulate >= 1, "optim.accumulate must be >= 1", self.accumulate)
        positive = self.clip_norm is None or self.clip_norm > 0
        require(positive, "optim.clip_norm must be > 0 or null", self.clip_norm)
        plain = self.bias_weight_decay is None or self.bias_weight_decay >= 0
        rule = "optim.bias_weight_decay must be >= 0 or null"
        require(plain, rule, self.bias_weight_decay)
        inside = all(0 <= beta < 1 for beta in self.betas)
        require(inside, "optim.betas must be two numbers in [0, 1)", self.betas)
        fits = not self.nesterov or (self.name == "sgd" and self.momentum > 0)
        require(fits, "optim.nesterov=true needs optim.name=sgd with momentum", self.name)
        require(self.ema_every >= 1, "optim.ema_every must be >= 1", self.ema_every)
        inside = self.ema_decay is None or 0 < self.ema_decay < 1
        require(inside, "optim.ema_decay must be in (0, 1) or null", self.ema_decay)


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """Length of training and learning-rate factor by step."""

    name: Literal["step", "cosine", "poly", "plateau"] = "step"
    """`step` multiplies the rate by `gamma` at each milestone; `cosine` falls to zero at the last
    step; `poly` is the remaining share of the steps to the power of `power`; `plateau` multiplies
    by `gamma` after `plateau_evaluations` without a better run.best_metric."""
    steps: int = 1000
    """Optimiser steps in all."""
    epochs: float | None = excluding(None, "steps", "minutes")
    """Length in passes over the training images, instead of `steps`. It is turned into steps at the
    start: an epoch has ceil(images / data.batch_size)."""
    minutes: float | None = excluding(None, "steps", "epochs")
    """Length in minutes of training, without evaluations, instead of `steps`. It is turned into
    steps once the first 30 have been timed."""
    reference_steps: int = 1000
    """Number of steps that `milestones` are stated for; they scale when `steps` differs."""
    milestones: tuple[int, ...] = ()
    """Steps, of `reference_steps`, at which the learning rate is multiplied by `gamma`."""
    gamma: float = 0.1
    """Factor at each milestone or plateau."""
    power: float = 0.9
    """Power of `poly` (Chen et al. 2018)."""
    last_factor: float = 0.0
    """Learning-rate factor at the end of `poly`."""
    plateau_evaluations: int = 3
    """Evaluations without a better score after which `plateau` lowers the learning rate."""
    warmup_steps: int = 0
    """Steps of linear warm-up; at most a third of `steps`."""
    warmup_factor: float = 0.001
    """Learning-rate factor at step 0."""
    decay_after_warmup: bool = False
    """Start `cosine` at the end of the warm-up, as torchvision's references do; otherwise the two
    are multiplied."""
    warmup_until: float | None = None
    """Keep the rate at `warmup_factor` until an evaluation's `warmup_metric` reaches this value (He
    et al. 2016, ResNet-110); null for a linear warm-up."""
    warmup_metric: str | None = None
    """Score that ends such a warm-up; null for run.best_metric."""

    def __post_init__(self) -> None:
        require(self.steps >= 1, "schedule.steps must be >= 1", self.steps)
        for name, value in (("epochs", self.epochs), ("minutes", self.minutes)):
            require(value is None or value > 0, f"schedule.{name} must be > 0 or null", value)
        rule = "schedule.reference_steps must be >= 1"
        require(self.reference_steps >= 1, rule, self.reference_steps)
        ordered = tuple(sorted(self.milestones))
        inside = all(0 < milestone <= self.reference_steps for milestone in ordered)
        rule = "schedule.milestones must rise and lie in (0, schedule.reference_steps]"
        require(inside and self.milestones == ordered, rule, self.milestones)
        require(0 < self.gamma <= 1, "schedule.gamma must be in (0, 1]", self.gamma)
        require(self.power > 0, "schedule.power must be > 0", self.power)
        rule = "schedule.last_factor must be in [0, 1)"
        require(0 <= self.last_factor < 1, rule, self.last_factor)
        rule = "schedule.plateau_evaluations must be >= 1"
        require(self.plateau_evaluations >= 1, rule, self.plateau_evaluations)
        require(self.warmup_steps >= 0, "schedule.warmup_steps must be >= 0", self.warmup_steps)
        alone = self.warmup_until is None or self.warmup_steps == 0
        rule = "schedule.warmup_until needs schedule.warmup_steps=0"
        require(alone, rule, self.warmup_steps)
        fits = self.warmup_metric is None or self.warmup_until is not None
        rule = "schedule.warmup_metric needs schedule.warmup_until"
        require(fits, rule, self.warmup_metric)
        rule = "schedule.warmup_factor must be in (0, 1]"
        require(0 < self.warmup_factor <= 1, rule, self.warmup_factor)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where and how a run is carried out. The weights depend on seed, precision and patience alone,
    and in their last bits on threads. With schedule.name=plateau or schedule.warmup_until they also
    depend on when a run is scored and by what."""

    output_dir: str = may_change("runs/default")
    """Folder for everything that the run writes."""
    device: str = may_change("auto")
    """`auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """`auto` is bf16 autocast if the hardware is faster in bf16, otherwise fp32; a CPU is timed at
    the start, by the processor time of one thread."""
    threads: int | Literal["auto"] = may_change("auto")
    """CPU threads of each process. `auto` takes OMP_NUM_THREADS if it is set, otherwise the number
    of free cores, also while it trains; a number is kept."""
    compile: bool = may_change(False)
    """Compile the convolutions with torch.compile, once for each padded image size. It takes
    minutes and is worth it on GPUs."""
    cuda_graphs: bool = may_change(False)
    """Replay the compiled convolutions as CUDA graphs, one for each padded size. It helps if a GPU
    waits for the host to launch kernels, so with few images a step. Needs run.compile, a GPU and
    optim.accumulate=1."""
    seed: int = 0
    """Every random choice follows from this number, the step and the image."""
    deterministic: bool = may_change(False)
    """Use only operations whose results are the same in two runs on one GPU; slower."""
    eval_every: int = may_change(5000, unless="follows_scores")
    """Steps between two evaluations; the last step is always evaluated; 0 evaluates at the end
    only."""
    eval_sets: tuple[Literal["val", "train"], ...] = may_change(("val",))
    """Splits that an evaluation scores, `val` and perhaps `train`; the names of the training
    split's scores begin with train/."""
    save_every: int = may_change(1000)
    """Steps between two saves of the last checkpoint."""
    keep_every: int = may_change(0)
    """Also keep a numbered checkpoint every this many steps; 0 keeps none."""
    log_every: int = may_change(20)
    """Steps between two log lines."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = may_change(("tensorboard",))
    """Trackers that receive the numbers, besides the console and metrics.jsonl. W&B and MLflow
    receive pictures too; they are separate packages, configured by their own environment
    variables."""
    samples: int = may_change(12)
    """Training images that samples.png shows before the first step; 0 for no picture."""
    best_metric: str = may_change("val/score", unless="follows_scores")
    """Score that decides which checkpoint is the best; higher is better."""
    patience: int | None = may_change(None)
    """Evaluations without a better `best_metric` after which training stops; null for never."""
    stop_within: float = may_change(25.0)
    """Seconds from a stop signal to the end of the run, saved or not; torchrun and SLURM kill the
    rest after 30."""
    resume: str = may_change("never")
    """`auto` continues the run in `output_dir` from its last checkpoint, or starts it if there is
    none. The path of a last.pt or step_N.pt continues from that file, in an unused `output_dir` or
    in the file's own folder. `never` starts in an unused folder."""

    def __post_init__(self) -> None:
        require(0 <= self.seed < 1 << 63, "run.seed must be in [0, 2**63)", self.seed)
        fits = self.threads == "auto" or self.threads >= 1
        require(fits, "run.threads must be auto or >= 1", self.threads)
        rule = "run.cuda_graphs=true needs run.compile=true"
        require(self.compile or not self.cuda_graphs, rule, self.compile)
        require(self.eval_every >= 0, "run.eval_every must be >= 0", self.eval_every)
        distinct = len(set(self.eval_sets)) == len(self.eval_sets)
        rule = "run.eval_sets must be [val] or [val, train]"
        require(distinct and "val" in self.eval_sets, rule, self.eval_sets)
        distinct = len(set(self.trackers)) == len(self.trackers)
        require(distinct, "run.trackers must name each tracker once", self.trackers)
        require(self.save_every >= 1, "run.save_every must be >= 1", self.save_every)
        require(self.keep_every >= 0, "run.keep_every must be >= 0", self.keep_every)
        require(self.log_every >= 1, "run.log_every must be >= 1", self.log_every)
        require(self.samples >= 0, "run.samples must be >= 0", self.samples)
        require(self.stop_within > 0, "run.stop_within must be > 0", self.stop_within)
        enough = self.patience is None or self.patience >= 1
        require(enough, "run.patience must be >= 1 or null", self.patience)
        known = self.resumed_file is None or self.resumed_file.endswith(".pt")
        rule = "run.resume must be never, auto or the path of a checkpoint, last.pt or step_N.pt"
        require(known, rule, self.resume)

    @property
    def resumed_file(self) -> str | None:
        """The path of the checkpoint to resume, if the settings name one."""
        return None if self.resume in ("never", "auto") else self.resume


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """The engine's view of a task's settings; a task's dataclass derives from it."""

    STEP_MEMORY: ClassVar[str] = "raise optim.accumulate, or lower data.batch_size"
    """Settings to change if a step does not fit into memory."""
    SCORING_MEMORY: ClassVar[str] = "use fewer or smaller images"
    """The same for an evaluation."""

    if TYPE_CHECKING:  # a task declares them, with its own defaults
        task: str
        optim: OptimConfig
        schedule: ScheduleConfig
        run: RunConfig

    @property
    def batch_size(self) -> int:
        """Images per optimiser step, over all ranks and micro-batches."""
        raise NotImplementedError

    @property
    def depends_on_micro_batches(self) -> bool:
        """Whether the number of micro-batches of a step affects the weights, as with batch norm,
        dropout, or a loss normalised within one micro-batch.
        """
        return True

    @property
    def deciding_scores(self) -> tuple[str, ...]:
        """Names of the scores that affect the weights or the choice of the best ones."""
        metric = self.schedule.warmup_metric
        return (self.run.best_metric,) if metric is None else (self.run.best_metric, metric)

    @property
    def follows_scores(self) -> bool:
        """Whether the weights depend on when evaluations take place and on what they score."""
        return self.schedule.name == "plateau" or self.schedule.warmup_until is not None
