"""Settings that tasks on images share.  Imports no torch, so that `--help` answers at once."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """Backbone of a task's network and where its weights come from."""

    backbone: str = "resnet50"
    """A registered backbone; a wrong name is answered with the list."""
    weights: str | None = None
    """Where training starts: a file of backbone or detector weights, `torchvision:…`, `timm:…`, or
    null for scratch."""
    norm: Literal["auto", "batch", "frozen", "sync", "group"] = "auto"
    """Backbone normalisation; `auto` is frozen with weights and batch without."""
    freeze_through: Literal["auto", "none", "stem", "c2", "c3", "c4", "c5"] = "auto"
    """Last backbone stage that is not trained; `auto` is c2 with weights and none without."""
    stride_in: Literal["3x3", "1x1"] = "3x3"
    """Which convolution of a bottleneck carries the stride; 1x1 is the original paper's."""
    checkpoint_activations: bool = False
    """Recompute backbone activations in the backward pass: less memory, about a third more time."""
