"""Backbones in detectron2.  B images."""

from typing import Any

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.interop.view import View

NAMED = ("c2", "c3", "c4", "c5", "c6")


def as_detectron2(backbone: Backbone) -> nn.Module:
    """Make a detectron2 Backbone, for its FPN and detectors; there c2 … c5 are called res2 … res5.

    Raises UserError for other levels. detectron2 has no name for c1: its `stem` is the map after
    the max-pool.
    """
    from detectron2.modeling.backbone import Backbone as DetectronBackbone

    DetectronBackbone.register(DetectronView)  # an abstract base class: this makes isinstance true
    return DetectronView(backbone)


class DetectronView(View):
    """(B, C, H, W) -> {"res2": (B, channels, h, w), …}, fine to coarse."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        names = [level.name for level in backbone.levels]
        unnamed = [name for name in names if name not in NAMED]
        if unnamed:
            named = [name for name in names if name in NAMED]
            raise UserError(
                f"detectron2 has no name for {unnamed[0]}, got levels={names}; use levels={named}"
            )
        self.names = {name: f"res{name[1:]}" for name in names}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The levels by detectron2's names."""
        return {self.names[name]: x for name, x in self.backbone(images).items()}

    def output_shape(self) -> dict[str, Any]:
        """Channels and stride of each map, as detectron2's ShapeSpec."""
        from detectron2.layers import ShapeSpec

        levels = self.backbone.levels
        return {
            self.names[level.name]: ShapeSpec(channels=level.channels, stride=level.stride)
            for level in levels
        }

    @property
    def size_divisibility(self) -> int:
        """0: images of any size work."""
        return 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        """None: images of any size work."""
        return {}
