"""Settings that every task shares: optimiser, schedule and run. Imports no torch, so that `--help`
answers at once.
"""

from dataclasses import dataclass
from typing import Literal

from resnet_backbones.errors import UserError


def require(condition: bool, rule: str, value: object) -> None:
    """Raise UserError "`rule`, got `value`" unless `condition` holds."""
    if not condition:
        raise UserError(f"{rule}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimiser, gradient handling and weight averaging."""

    name: Literal["sgd", "adamw"] = "sgd"
    """Optimiser."""
    lr: float = 0.02
    """Peak learning rate at `reference_batch` images; scaled linearly for other values of
    data.batch_size."""
    reference_batch: int = 16
    """Global batch size, in images, that `lr` is stated for."""
    momentum: float = 0.9
    """SGD momentum."""
    weight_decay: float = 1e-4
    """Weight decay of all but the normalisation layers."""
    norm_weight_decay: float = 0.0
    """Weight decay of normalisation layers' weights and biases."""
    accumulate: int = 1
    """Micro-batches per step and rank; data.batch_size counts the images of all of them."""
    clip_norm: float | None = None
    """Largest global gradient norm; null for no clipping."""
    ema_decay: float | None = None
    """Decay per step of an exponential moving average of the weights, which is then what is scored;
    null for none."""

    def __post_init__(self) -> None:
        require(self.lr > 0, "optim.lr must be > 0", self.lr)
        require(
            self.reference_batch >= 1, "optim.reference_batch must be >= 1", self.reference_batch
        )
        require(0 <= self.momentum < 1, "optim.momentum must be in [0, 1)", self.momentum)
        require(self.weight_decay >= 0, "optim.weight_decay must be >= 0", self.weight_decay)
        require(
            self.norm_weight_decay >= 0,
            "optim.norm_weight_decay must be >= 0",
            self.norm_weight_decay,
        )
        require(self.accumulate >= 1, "optim.accumulate must be >= 1", self.accumulate)
        require(
            self.clip_norm is None or self.clip_norm > 0,
            "optim.clip_norm must be > 0 or null",
            self.clip_norm,
        )
        require(
            self.ema_decay is None or 0 < self.ema_decay < 1,
            "optim.ema_decay must be in (0, 1) or null",
            self.ema_decay,
        )


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """Length of training and learning-rate factor by step."""

    name: Literal["step", "cosine"] = "step"
    """`step` multiplies by `gamma` at each milestone; `cosine` falls to zero at the last step."""
    steps: int = 90_000
    """Optimiser steps in all."""
    reference_steps: int = 90_000
    """Number of steps that `milestones` are stated for; they scale when `steps` differs."""
    milestones: tuple[int, ...] = (60_000, 80_000)
    """Steps, of `reference_steps`, at which the learning rate is multiplied by `gamma`."""
    gamma: float = 0.1
    """Factor at each milestone."""
    warmup_steps: int = 1000
    """Steps of linear warm-up, whatever `steps` is, but at most a third of it."""
    warmup_factor: float = 0.001
    """Learning-rate factor at step 0."""

    def __post_init__(self) -> None:
        require(self.steps >= 1, "schedule.steps must be >= 1", self.steps)
        require(
            self.reference_steps >= 1, "schedule.reference_steps must be >= 1", self.reference_steps
        )
        ordered = tuple(sorted(self.milestones))
        inside = all(0 < milestone <= self.reference_steps for milestone in ordered)
        rule = "schedule.milestones must rise and lie in (0, schedule.reference_steps]"
        require(inside and self.milestones == ordered, rule, self.milestones)
        require(0 < self.gamma <= 1, "schedule.gamma must be in (0, 1]", self.gamma)
        require(self.warmup_steps >= 0, "schedule.warmup_steps must be >= 0", self.warmup_steps)
        require(
            0 < self.warmup_factor <= 1,
            "schedule.warmup_factor must be in (0, 1]",
            self.warmup_factor,
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where and how a run is carried out; nothing here changes what is learnt, apart from seed and
    precision.
    """

    output_dir: str = "runs/default"
    """Folder that receives everything the run makes."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """`auto` is bf16 autocast where the hardware is faster in bf16 (a CPU is timed at the start),
    else fp32."""
    compile: bool = False
    """Let torch.compile translate the convolutions, once for each padded size of images (minutes;
    worth it on GPUs)."""
    cuda_graphs: bool = False
    """Replay the translated convolutions as CUDA graphs, one for each padded size: worth it where a
    GPU waits for the host to launch kernels, so with few images a step. Takes run.compile, a GPU
    and optim.accumulate=1."""
    seed: int = 0
    """Every random choice follows from this number, the step and the image."""
    deterministic: bool = False
    """Refuse operations whose result may differ between two runs on the same GPU; slower."""
    eval_every: int = 5000
    """Steps between two evaluations; the last step is always evaluated; 0 evaluates at the end
    only."""
    save_every: int = 1000
    """Steps between two saves of the last checkpoint."""
    keep_every: int = 0
    """Also keep a numbered checkpoint every so many steps; 0 keeps none."""
    log_every: int = 20
    """Steps between two log lines."""
    best_metric: str = "box/AP"
    """Score, higher being better, that decides which checkpoint is the best."""
    resume: Literal["never", "auto"] = "never"
    """`auto` continues the run in `output_dir` from its last checkpoint, or starts it where there
    is none."""

    def __post_init__(self) -> None:
        require(0 <= self.seed < 1 << 63, "run.seed must be in [0, 2**63)", self.seed)
        require(
            self.compile or not self.cuda_graphs,
            "run.cuda_graphs=true takes run.compile=true",
            self.compile,
        )
        require(self.eval_every >= 0, "run.eval_every must be >= 0", self.eval_every)
        require(self.save_every >= 1, "run.save_every must be >= 1", self.save_every)
        require(self.keep_every >= 0, "run.keep_every must be >= 0", self.keep_every)
        require(self.log_every >= 1, "run.log_every must be >= 1", self.log_every)
