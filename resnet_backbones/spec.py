"""The description that a backbone is built from.  Imports no torch."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from resnet_backbones.errors import UserError

NormName = Literal["batch", "frozen", "sync", "group"]
Norm = Literal["auto", "batch", "frozen", "sync", "group"]
FreezeThrough = Literal["auto", "none", "stem", "c1", "c2", "c3", "c4", "c5"]
OutputStride = Literal[8, 16, 32]
StrideIn = Literal["3x3", "1x1"]


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone without its weights: the input of `registry.build`, checked by families.

    When a spec is made, `pretrained` decides what `auto` means. Raises UserError for a value that
    no family takes.
    """

    name: str
    """A registered name, or `timm:NAME`."""
    _: KW_ONLY
    pretrained: bool = False
    """Whether a state dict is loaded later. It decides `auto`: frozen norms and training from c3
    on, or batch norms and nothing frozen."""
    levels: Sequence[str] | None = None
    """Any of c1 (the stem) to c5; None is the family's default. Only the stages that they need
    are built."""
    norm: Norm = "auto"
    freeze_through: FreezeThrough | None = "auto"
    """The last stage that is not trained; None and `none` freeze nothing."""
    in_channels: int = 3
    output_stride: OutputStride = 32
    """Largest stride of the levels; beyond it strides are traded for dilation."""
    stride_in: StrideIn = "3x3"
    """The bottleneck's convolution with the stride."""
    checkpoint_activations: bool = False
    """Whether activations are computed again in the backward pass, to save memory."""
    options: object | None = None
    """The family's own options; None is its defaults."""

    def __post_init__(self) -> None:
        if self.norm not in ("auto", "batch", "frozen", "sync", "group"):
            raise UserError(f"norm must be auto, batch, frozen, sync or group, got {self.norm!r}")
        levels = (None, "auto", "none", "stem", "c1", "c2", "c3", "c4", "c5")
        if self.freeze_through not in levels:
            known = "auto, none, stem, c1, c2, c3, c4 or c5"
            raise UserError(f"freeze_through must be {known}, got {self.freeze_through!r}")
        if self.stride_in not in ("3x3", "1x1"):
            raise UserError(f"stride_in must be 3x3 or 1x1, got {self.stride_in!r}")
        if self.in_channels < 1:
            raise UserError(f"in_channels must be >= 1, got {self.in_channels}")
        if self.output_stride not in (8, 16, 32):
            raise UserError(f"output_stride must be 8, 16 or 32, got {self.output_stride}")
        if self.norm == "auto":
            object.__setattr__(self, "norm", "frozen" if self.pretrained else "batch")
        if self.freeze_through in ("auto", "none"):
            frozen = "c2" if self.freeze_through == "auto" and self.pretrained else None
            object.__setattr__(self, "freeze_through", frozen)

    @property
    def norm_name(self) -> NormName:
        """The norm, which is no longer `auto`."""
        assert self.norm != "auto"
        return self.norm
