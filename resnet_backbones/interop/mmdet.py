"""Backbones in mmdet and the other OpenMMLab detectors.  B images."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from resnet_backbones.features import Backbone
from resnet_backbones.interop.view import View
from resnet_backbones.registry import create_backbone, make_options
from resnet_backbones.spec import FreezeThrough, Norm
from resnet_backbones.weights.adapt import Adaptation

TYPE = "RBBackbone"


def as_mmdet(backbone: Backbone) -> nn.Module:
    """Wrap a backbone to return a tuple, as OpenMMLab's do; the neck's `in_channels` are the
    levels' channels.
    """
    return MmdetView(backbone)


def register_mmdet() -> str:
    """Register with mmengine and return the name for configs:
    `backbone=dict(type="RBBackbone", name="resnet50")`.

    The other keys are those of `build_mmdet`. A second call changes nothing.
    """
    from mmengine.registry import MODELS

    MODELS.register_module(name=TYPE, force=True, module=build_mmdet)
    return TYPE


def build_mmdet(
    name: str,
    weights: str | None = None,
    levels: Sequence[str] | None = None,
    norm: Norm = "auto",
    freeze_through: FreezeThrough | None = "auto",
    in_channels: int = 3,
    adapt: Adaptation = "auto",
    output_stride: Literal[8, 16, 32] = 32,
    stride_in: Literal["3x3", "1x1"] = "3x3",
    checkpoint_activations: bool = False,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """`create_backbone` with OpenMMLab's interface; `options` are the family's, as a dict, as
    configs hold no objects.
    """
    backbone = create_backbone(
        name,
        weights=weights,
        levels=levels,
        norm=norm,
        freeze_through=freeze_through,
        in_channels=in_channels,
        adapt=adapt,
        output_stride=output_stride,
        stride_in=stride_in,
        checkpoint_activations=checkpoint_activations,
        options=make_options(name, options or {}),
    )
    return as_mmdet(backbone)


class MmdetView(View):
    """(B, C, H, W) -> ((B, channels, h, w), …), fine to coarse."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The levels, fine to coarse."""
        return tuple(self.backbone(images).values())

    def init_weights(self) -> None:
        """Leave the weights as they are: they were initialised, or loaded, when the backbone was
        built.
        """
