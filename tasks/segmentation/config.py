"""Settings of semantic segmentation. The defaults are detectron2's semantic FPN. Imports no torch.

Sources: detectron2 `Base-Panoptic-FPN.yaml` and `modeling/meta_arch/semantic_seg.py`; for the
alternatives mmsegmentation `configs/_base_`.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

from tasks.engine.settings import OptimConfig, RunConfig, ScheduleConfig, TaskSettings
from tasks.vision.settings_semantic import (
    LossConfig,
    SemanticDataConfig,
    SemanticModelConfig,
    TestConfig,
)


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
    data: SemanticDataConfig = field(default_factory=SemanticDataConfig)
    """Data set, batches and augmentation."""
    test: TestConfig = field(default_factory=TestConfig)
    """How images are scored and labelled."""
    model: SemanticModelConfig = field(default_factory=SemanticModelConfig)
    """Backbone and head."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Loss of training."""
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
