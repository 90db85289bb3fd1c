"""Backbones in torchvision's detectors and segmentation models.  B images."""

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.interop.view import View


def as_torchvision(
    backbone: Backbone, fpn_channels: int | None = 256, extra_blocks: nn.Module | None = None
) -> nn.Module:
    """Make a backbone for FasterRCNN, RetinaNet or MaskRCNN; with `fpn_channels=None` for DeepLabV3
    and FCN.

    For detectors, torchvision's feature pyramid is added on all levels of the backbone. Its maps
    are "0", "1", … and then those of `extra_blocks` (by default torchvision's `LastLevelMaxPool`,
    "pool"). State dicts have the names of torchvision's own models. Raises UserError for
    segmentation with fewer than two levels, as the second coarsest gives "aux".
    """
    if fpn_channels is not None:
        return PyramidView(backbone, fpn_channels, extra_blocks)
    if len(backbone.levels) < 2:
        names = [level.name for level in backbone.levels]
        raise UserError(
            f"segmentation needs two levels of the backbone, got {names}; use levels=['c4', 'c5']"
        )
    return SegmentationView(backbone)


class PyramidView(nn.Module):
    """(B, C, H, W) -> {"0": (B, out_channels, h, w), …}, fine to coarse; named as torchvision's
    BackboneWithFPN.
    """

    def __init__(
        self, backbone: Backbone, fpn_channels: int, extra_blocks: nn.Module | None
    ) -> None:
        super().__init__()
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        self.body = backbone
        channels = [level.channels for level in backbone.levels]
        extra_blocks = LastLevelMaxPool() if extra_blocks is None else extra_blocks
        self.fpn = FeaturePyramidNetwork(channels, fpn_channels, extra_blocks=extra_blocks)
        self.out_channels = fpn_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The pyramid's maps by torchvision's names."""
        features = self.body(images)
        return self.fpn({str(index): x for index, x in enumerate(features.values())})  # type: ignore[no-any-return]


class SegmentationView(View):
    """(B, C, H, W) -> {"aux": the level before the coarsest, "out": the coarsest}."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The two coarsest levels by torchvision's names."""
        *_, aux, out = self.backbone(images).values()
        return {"aux": aux, "out": out}
