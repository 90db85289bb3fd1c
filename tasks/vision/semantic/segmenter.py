"""A network that gives every pixel a class.

B images, K classes; images are (B, C, H, W) pixel values, padded, with their valid heights and
widths in sizes (B, 2).  Maps and logits have h x w cells.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.fold import fold_norms
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.passport import Passport, PixelNormalizer
from tasks.labels import IGNORED
from tasks.vision.backbone import build_from_config
from tasks.vision.class_rows import ClassRows
from tasks.vision.fpn import FeaturePyramid
from tasks.vision.inference import use_bf16_weights
from tasks.vision.padding import Size
from tasks.vision.semantic.deeplab import DeepLabV3Head, DeepLabV3PlusHead
from tasks.vision.semantic.fcn import FCNHead
from tasks.vision.semantic.semantic_fpn import SemanticFPNHead, check_levels
from tasks.vision.settings_semantic import SemanticModelConfig

SemanticHead = SemanticFPNHead | FCNHead | DeepLabV3Head | DeepLabV3PlusHead


class SegmentationNetwork(nn.Module):
    """Backbone, pyramid if the head needs one, head, and an auxiliary head or None."""

    def __init__(
        self,
        backbone: Backbone,
        pyramid: FeaturePyramid | None,
        head: SemanticHead,
        auxiliary: FCNHead | None = None,
        *,
        corners: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.head = head
        self.auxiliary = auxiliary
        self.corners = corners  # whether `enlarge` aligns the corners' cells
        self.normalizer = PixelNormalizer(backbone.passport)

    @property
    def num_classes(self) -> int:
        """Classes, K."""
        return self.head.predictor.out_channels

    @property
    def trunk(self) -> tuple[nn.Module, ...]:
        """The convolutional parts, for torch.compile."""
        parts = (self.backbone, self.pyramid, self.head, self.auxiliary)
        return tuple(part for part in parts if part is not None)

    def features(self, images: Tensor, sizes: Tensor) -> dict[str, Tensor]:
        """Compute the backbone's maps, (B, C, h, w) each by name, fine to coarse."""
        maps: dict[str, Tensor] = self.backbone(self.normalizer(images, sizes))
        return maps

    def logits(self, features: Mapping[str, Tensor]) -> Tensor:
        """Compute logits (B, K, h, w) float32 of the backbone's maps, at the head's stride."""
        maps = features if self.pyramid is None else self.pyramid(features)
        logits: Tensor = self.head(maps)
        return logits.float()

    def auxiliary_logits(self, features: Mapping[str, Tensor]) -> Tensor:
        """Compute those of the auxiliary head, at the stride of its level."""
        assert self.auxiliary is not None
        logits: Tensor = self.auxiliary(features)
        return logits.float()

    def forward(self, images: Tensor, sizes: Tensor) -> Tensor:
        """Compute logits (B, K, h, w) float32 of images, at the head's stride."""
        return self.logits(self.features(images, sizes))

    def enlarge(self, logits: Tensor, size: Size) -> Tensor:
        """Enlarge logits (B, K, h, w) to (B, K, *size), bilinear, as the head enlarges its maps."""
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=self.corners)

    def class_rows(self) -> dict[str, ClassRows]:
        """The tensors of the state dict that have rows for each class."""
        heads = ("head",) if self.auxiliary is None else ("head", "auxiliary")
        rows = ClassRows(per_class=1, background="none")
        return {f"{head}.predictor.{kind}": rows for head in heads for kind in ("weight", "bias")}


def build_segmenter(
    config: SemanticModelConfig,
    num_classes: int,
    passport: Passport | None = None,
    found: Source | None = None,
) -> SegmentationNetwork:
    """Build the network that the settings describe, in channels_last.

    Backbone weights are loaded, the `found` ones if given, and the rest is initialised. With
    `passport`, nothing is loaded: the caller will load a whole network's weights, made for that
    preprocessing. Raises UserError for a number of classes that labels cannot hold, for a backbone
    that does not fit the head, and for settings that the backbone refuses.
    """
    if not 1 <= num_classes <= IGNORED:
        rule = f"a segmenter must have 1 to {IGNORED} classes"
        raise UserError(f"{rule}, got {num_classes}; look at the data set's classes")
    backbone = build_from_config(config, passport, found, output_stride=config.backbone_stride)
    pyramid = _make_pyramid(backbone, config) if config.head.kind == "fpn" else None
    head = _make_head(backbone, pyramid, num_classes, config)
    auxiliary = _make_auxiliary(backbone, num_classes, config) if config.head.auxiliary else None
    corners = config.head.kind == "fpn" and config.head.upsample == "bilinear_corners"
    model = SegmentationNetwork(backbone, pyramid, head, auxiliary, corners=corners)
    return model.to(memory_format=torch.channels_last)


def for_inference(model: SegmentationNetwork, *, bf16: bool = False) -> SegmentationNetwork:
    """Copy a segmenter in evaluation mode, without the auxiliary head and with all work done that
    batches would repeat; not for training.

    Constant norms are folded into their convolutions. With `bf16`, for use under autocast alone,
    the weights are in bf16 where autocast would convert them. Later changes of the model do not
    reach the copy.
    """
    copy = fold_norms(model)
    copy.auxiliary = None
    if bf16:
        use_bf16_weights(copy)
    return copy


def _make_pyramid(backbone: Backbone, config: SemanticModelConfig) -> FeaturePyramid:
    check_levels(backbone.levels, config.backbone)
    return FeaturePyramid(
        backbone.levels,
        channels=config.head.pyramid_channels,
        extra="none",
        smooth=config.head.smooth,
    )


def _make_head(
    backbone: Backbone,
    pyramid: FeaturePyramid | None,
    num_classes: int,
    config: SemanticModelConfig,
) -> SemanticHead:
    if pyramid is not None:
        return SemanticFPNHead(pyramid.levels, num_classes, config.head)
    finest = backbone.levels[0]
    coarsest = backbone.levels[-1]
    if config.head.kind == "fcn":
        return FCNHead(coarsest, num_classes, config.head)
    if config.head.kind == "deeplabv3":
        return DeepLabV3Head(coarsest, num_classes, config.head)
    _check_two_levels(backbone, "model.head.kind=deeplabv3plus", "model.head.kind=deeplabv3")
    return DeepLabV3PlusHead(finest, coarsest, num_classes, config.head)


def _make_auxiliary(backbone: Backbone, num_classes: int, config: SemanticModelConfig) -> FCNHead:
    _check_two_levels(backbone, "model.head.auxiliary > 0", "model.head.auxiliary=0")
    return FCNHead(backbone.levels[-2], num_classes, config.head)


def _check_two_levels(backbone: Backbone, setting: str, way_out: str) -> None:
    """Raise UserError if a second level is needed and missing."""
    if len(backbone.levels) < 2:
        name = backbone.passport.architecture
        raise UserError(
            f"{setting} needs a backbone of at least two levels, got {name} with"
            f" {len(backbone.levels)}; set {way_out}"
        )
