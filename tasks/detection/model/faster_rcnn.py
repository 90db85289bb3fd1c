"""Faster R-CNN with a feature pyramid (Ren et al. 2015; Lin et al. 2017).

B images, K boxes, F foreground classes; images are (B, C, H, W) pixel values, padded, with their
valid heights and widths in sizes (B, 2).  The parts below are called twice and written once: by
`FasterRCNN.forward` to detect, and by `losses.DetectionObjective` to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.fold import fold_norms
from resnet_backbones.layers import keep_norms_apart
from resnet_backbones.passport import Passport, PixelNormalizer
from tasks.detection.config import ModelConfig
from tasks.detection.model.anchors import AnchorGenerator
from tasks.detection.model.box_head import BoxHead
from tasks.detection.model.detections import Detections
from tasks.detection.model.region_proposer import Proposals, RpnHead, propose
from tasks.detection.model.select import select_detections
from tasks.detection.ops.kernels.cells import shapes_of
from tasks.detection.ops.linear import LinearPath
from tasks.detection.ops.roi_align import RoiAlign, RoiPath
from tasks.vision.backbone import build_from_config
from tasks.vision.fpn import FeaturePyramid


@dataclass(frozen=True)
class Kernels:
    """Which of two equal routes to take; chosen when the model is built, so that tests run the
    GPU's on a CPU.
    """

    roi_align: RoiPath = "gather"
    """Windows by gathering rows, or by torchvision's kernel on one map or on each level."""
    training_passes: int | None = None
    """Passes of proposal suppression in training; None is the exact routine, which reads boxes on
    the host."""
    sparse_rpn: bool = True
    """Whether the region proposal head's backward pass visits the sampled anchors only, where they
    are few."""
    folded_norms: bool = True
    """Whether constant norms are multiplied into the convolutions before them."""
    linear: LinearPath = "plain"
    """Fully connected layers by torch's matrix product, or whichever way of computing it was
    measured to be faster."""

    @staticmethod
    def of(device: torch.device, config: ModelConfig) -> Kernels:
        """The fast route of a device, on a GPU one that never waits for it in training; or the
        plain one.

        Where torch must be deterministic, windows are gathered: torchvision's kernel adds up
        gradients in any order.
        """
        if device.type != "cuda":
            return Kernels(linear="measured")
        return Kernels(
            "gather" if torch.are_deterministic_algorithms_enabled() else "atlas",
            config.rpn.nms_passes,
        )


class FasterRCNN(nn.Module):
    """Backbone, pyramid, region proposal head and box head."""

    def __init__(
        self,
        backbone: Backbone,
        pyramid: FeaturePyramid,
        rpn: RpnHead,
        box_head: BoxHead,
        anchors: AnchorGenerator,
        config: ModelConfig,
        kernels: Kernels,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.rpn = rpn
        self.box_head = box_head
        self.normalizer = PixelNormalizer(backbone.passport)
        self.anchors = anchors
        self.config = config
        self.kernels = kernels
        self.roi_align = RoiAlign(
            config.roi, [level.stride for level in pyramid.levels[:-1]], kernels.roi_align
        )
        self.replayed = False
        """Whether parts run as CUDA graphs, whose outputs the next images overwrite: each batch
        says that it begins."""

    @property
    def num_classes(self) -> int:
        """Foreground classes."""
        return self.box_head.num_classes

    @property
    def trunk(self) -> tuple[nn.Module, ...]:
        """The parts that are convolutions, which torch.compile translates."""
        return self.backbone, self.pyramid, self.rpn

    def levels(self, images: Tensor, sizes: Tensor) -> list[Tensor]:
        """Pyramid maps p2 to p6, (B, C, h, w) each, fine to coarse."""
        return list(self.pyramid(self.backbone(self.normalizer(images, sizes))).values())

    def anchors_of(self, images: Tensor, levels: list[Tensor]) -> tuple[Tensor, ...]:
        """Anchors (a, 4) of each level."""
        return self.anchors((images.shape[2], images.shape[3]), shapes_of(levels), images.device)

    def propose(
        self,
        logits: list[Tensor],
        offsets: list[Tensor],
        anchors: tuple[Tensor, ...],
        sizes: Tensor,
        *,
        training: bool,
    ) -> Proposals:
        """Candidate boxes from what the region proposal head says of each level's anchors."""
        passes = self.kernels.training_passes if training else None
        with torch.no_grad():
            return propose(
                logits, offsets, anchors, sizes, self.config.rpn, training=training, passes=passes
            )

    def classify(self, levels: list[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, F + 1) and offsets (B, K, F, 4) of boxes (B, K, 4)."""
        logits, offsets = self.box_head(self.roi_align(levels[:-1], boxes))
        return logits.unflatten(0, boxes.shape[:2]), offsets.unflatten(0, boxes.shape[:2])

    def forward(self, images: Tensor, sizes: Tensor) -> Detections:
        """Detections in pixels of the resized images, `config.roi.detections_per_image` at most."""
        return self.detect(images, self.levels(images, sizes), sizes)

    def detect(self, images: Tensor, levels: list[Tensor], sizes: Tensor) -> Detections:
        """Detections from pyramid maps that are there already."""
        logits, offsets = self.rpn(levels)
        proposals = self.propose(
            logits, offsets, self.anchors_of(images, levels), sizes, training=False
        )
        class_logits, box_offsets = self.classify(levels, proposals.boxes)
        return select_detections(proposals, class_logits, box_offsets, sizes, self.config.roi)


def for_inference(model: FasterRCNN, *, bf16: bool = False) -> FasterRCNN:
    """A copy in evaluation mode, with everything done once that each batch would do again; not for
    training.

    Constant norms are folded into their convolutions, and fc6 reads gathered windows where they
    lie. With `bf16`, for use under autocast alone, the weights that it would make bf16 are. The
    model itself where its kernels leave norms alone. Later changes of the model do not reach the
    copy.
    """
    if not model.kernels.folded_norms:
        return model
    copy = fold_norms(model)
    if copy.roi_align.path == "gather":
        copy.box_head.expect_cells_first()
    if bf16:
        kept_fp32 = (copy.box_head.classes, copy.box_head.offsets)
        for module in (
            copy.modules()
        ):  # of others, such as standardised convolutions, weights are computed with first
            if type(module) in (nn.Conv2d, nn.Linear) and module not in kept_fp32:
                module.to(torch.bfloat16)
    return copy


def build_faster_rcnn(
    config: ModelConfig,
    num_classes: int,
    kernels: Kernels | None = None,
    *,
    passport: Passport | None = None,
) -> FasterRCNN:
    """The detector that `config` describes, in channels_last; backbone weights are loaded, the rest
    is initialised.

    With `passport`, nothing is loaded: the caller will load a whole detector's weights, made for
    that preprocessing.
    """
    if num_classes < 1:
        raise UserError(
            f"a detector needs at least one class, got {num_classes}; look at the annotations'"
            " categories"
        )
    backbone = build_from_config(config, passport)
    pyramid = FeaturePyramid(backbone.levels, channels=config.pyramid_channels)
    anchors = AnchorGenerator(tuple(level.stride for level in pyramid.levels), config.anchors)
    kernels = kernels or Kernels.of(torch.device("cpu"), config)
    if not kernels.folded_norms:
        keep_norms_apart(backbone)
    model = FasterRCNN(
        backbone,
        pyramid,
        RpnHead(config.pyramid_channels, anchors.per_cell),
        BoxHead(config.pyramid_channels, num_classes, config.roi, kernels.linear),
        anchors,
        config,
        kernels,
    )
    return model.to(memory_format=torch.channels_last)
