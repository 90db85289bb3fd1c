"""Backbones as encoders of segmentation_models_pytorch (smp).  B images of C channels."""

from functools import partial

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.interop.view import View


def as_smp(backbone: Backbone, name: str = "rb") -> str:
    """Register the backbone with smp as an encoder; return its name for
    `smp.Unet(as_smp(backbone), encoder_weights=None)`.

    Models built from the name share the backbone's weights. The backbone needs the levels from c1
    on, as many as the model's `encoder_depth`, and must have the model's `in_channels` and
    `encoder_output_stride`; UserError otherwise.
    """
    from segmentation_models_pytorch.encoders import encoders

    encoders[name] = {
        "encoder": partial(SmpEncoder, backbone),
        "pretrained_settings": {},
        "params": {},
    }
    return name


class SmpEncoder(View):
    """(B, C, H, W) -> [the images, c1, c2, …]: smp's encoder protocol, `depth` levels deep."""

    _is_torch_scriptable = False
    _is_torch_exportable = True
    _is_torch_compilable = True

    def __init__(self, backbone: Backbone, depth: int = 5, output_stride: int = 32) -> None:
        super().__init__(backbone)
        names = [level.name for level in backbone.levels]
        wanted = [f"c{index}" for index in range(1, depth + 1)]
        if names[:depth] != wanted:
            raise UserError(
                f"smp's encoder_depth={depth} needs levels={wanted} of the backbone, got {names}"
            )
        self._depth = depth
        self.output_stride = backbone.levels[depth - 1].stride
        self.out_channels = [
            len(backbone.passport.mean),
            *(level.channels for level in backbone.levels[:depth]),
        ]

    def forward(self, images: Tensor) -> list[Tensor]:
        """The images and the levels, fine to coarse."""
        return [images, *list(self.backbone(images).values())[: self._depth]]

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Raise UserError for a value that the backbone was not built with."""
        if in_channels != self.out_channels[0]:
            seen = f"got {in_channels}, but {self.out_channels[0]} in the backbone"
            raise UserError(
                f"smp's in_channels must be the backbone's, {seen}; use create_backbone(…,"
                " in_channels=…)"
            )

    def make_dilated(self, output_stride: int) -> None:
        """Raise UserError for a value that the backbone was not built with."""
        if output_stride != self.output_stride:
            seen = f"got {output_stride}, but {self.output_stride} in the backbone"
            way_out = f"use create_backbone(…, output_stride={output_stride})"
            raise UserError(
                f"smp's encoder_output_stride must be the backbone's, {seen}; {way_out}"
            )

    def get_stages(self) -> dict[int, list[nn.Module]]:
        """Empty, so that smp dilates nothing: strides are the backbone's."""
        return {}
