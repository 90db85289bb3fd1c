"""One set of detector weights for ours and the peers: from a checkpoint, or random ones that detect
something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.common import ROOT
from resnet_backbones.errors import UserError
from resnet_backbones.weights.passport import Passport
from tasks.detection.config import DetectionConfig, ModelConfig
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.detection.model.torchvision_names import from_torchvision
from tasks.detection.saved import SavedDetector
from tasks.engine.config import load_config

RECIPE = ROOT / "configs" / "faster_rcnn_r50_torchvision.yaml"
CLASSES = 90  # of random weights, as in torchvision's COCO detector
HOW_TO_TRAIN = (
    "tools/train_det.py configs/overfit.yaml data.root=COCO model.backbone=resnet50"
    " model.pyramid_channels=256 model.roi.hidden=1024"
)
_SPREAD = {  # deviation of the predictors' random weights, so that scores and boxes differ
    "rpn.objectness.weight": 0.2,
    "rpn.offsets.weight": 0.02,
    "box_head.classes.weight": 0.3,
    "box_head.offsets.weight": 0.2,
}


@dataclass(frozen=True)
class DetectorWeights:
    """Weights under our names, and a detector for them: torchvision's rules, constant norms, stem
    and c2 frozen.
    """

    state: Mapping[str, Tensor]
    model: ModelConfig
    classes: int
    passport: Passport
    source: str
    trained_size: tuple[int, int] | None = None
    """Shorter and longest image side that the detector was trained for; None for random weights."""

    @property
    def trained(self) -> bool:
        """Whether the weights are trained, so that boxes can be confident."""
        return self.trained_size is not None

    def build(self, device: torch.device, model: ModelConfig | None = None) -> FasterRCNN:
        """Build our detector on a device, with other rules if `model` gives them."""
        detector = build_faster_rcnn(model or self.model, self.classes, self.passport)
        detector.load_state_dict(self.state)
        return detector.to(device).eval()

    def build_torchvision(self, short_edge: int, long_edge: int) -> nn.Module:
        """torchvision's detector with the same weights and anchors, on the CPU in eval mode."""
        from torchvision.models.detection import FasterRCNN as TorchvisionFasterRCNN
        from torchvision.models.detection.anchor_utils import AnchorGenerator
        from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
        from torchvision.ops import FrozenBatchNorm2d

        norm = partial(FrozenBatchNorm2d, eps=self.passport.norm_eps)
        backbone = resnet_fpn_backbone(
            backbone_name=self.model.backbone, weights=None, norm_layer=norm, trainable_layers=3
        )
        anchors = self.model.anchors
        rpn = self.model.rpn
        roi = self.model.roi
        theirs: nn.Module = TorchvisionFasterRCNN(
            backbone,
            self.classes + 1,
            min_size=short_edge,
            max_size=long_edge,
            image_mean=[value / self.passport.value_range for value in self.passport.mean],
            image_std=[value / self.passport.value_range for value in self.passport.std],
            rpn_pre_nms_top_n_train=rpn.train_pre_nms,
            rpn_post_nms_top_n_train=rpn.train_post_nms,
            rpn_pre_nms_top_n_test=rpn.test_pre_nms,
            rpn_post_nms_top_n_test=rpn.test_post_nms,
            rpn_batch_size_per_image=rpn.samples,
            box_batch_size_per_image=roi.samples,
            rpn_anchor_generator=AnchorGenerator(
                tuple((size,) for size in anchors.sizes), (anchors.ratios,) * 5
            ),
        )
        theirs.load_state_dict(to_torchvision(self.state, theirs.state_dict()))
        return theirs.eval()


def to_torchvision(state: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under torchvision's names, as in `theirs`; the inverse of `from_torchvision`.

    torchvision's first class is the background, whose offsets nothing reads: they are set to zero.
    """
    names = dict(zip(theirs, from_torchvision(theirs), strict=True))  # it keeps the order
    converted = {name: state[ours] for name, ours in names.items()}
    for kind in ("weight", "bias"):
        scores, offsets = (
            f"roi_heads.box_predictor.{part}.{kind}" for part in ("cls_score", "bbox_pred")
        )
        converted[scores] = converted[scores].roll(1, dims=0)
        converted[offsets] = torch.cat(
            (torch.zeros_like(converted[offsets][:4]), converted[offsets])
        )
    return converted


def torchvision_rules(backbone: str) -> ModelConfig:
    """Settings of our torchvision recipe with constant norms, and stem and c2 frozen."""
    config: DetectionConfig = load_config(DetectionConfig, str(RECIPE), [])
    return replace(
        config.model, backbone=backbone, weights=None, norm="frozen", freeze_through="c2"
    )


def random_weights(backbone: str = "resnet50") -> DetectorWeights:
    """Random weights that detect something: damped residual branches, widely spread predictors."""
    torch.manual_seed(0)
    model = torchvision_rules(backbone)
    passport = Passport(architecture=backbone)
    state = build_faster_rcnn(model, CLASSES, passport=passport).state_dict()
    for name, value in state.items():
        if name.endswith("running_mean"):
            norm = name.removesuffix("running_mean")
            state[f"{norm}weight"] = (0.2 if "bn3" in name else 1.0) + 0.05 * torch.rand(len(value))
            state[f"{norm}bias"] = 0.05 * torch.randn(len(value))
        elif name in _SPREAD:
            state[name] = _SPREAD[name] * torch.randn(value.shape)
    return DetectorWeights(state, model, CLASSES, passport, "random weights")


def checkpoint_weights(path: str) -> DetectorWeights:
    """Weights of a checkpoint; UserError if torchvision's detector has no place for them."""
    saved = SavedDetector.read(path)
    own = saved.config.model
    rules = torchvision_rules(own.backbone)
    fits = {
        "model.norm=batch or frozen": own.norm in ("auto", "batch", "frozen"),
        "model.pyramid_channels=256": own.pyramid_channels == rules.pyramid_channels,
        "model.roi.hidden=1024": own.roi.hidden == rules.roi.hidden,
        "model.stride_in=3x3": own.stride_in == "3x3",
        "RGB weights": saved.passport.channel_order == "rgb",
    }
    if wrong := [name for name, is_so in fits.items() if not is_so]:
        rule = "--detector must be one that torchvision can be given too"
        raise UserError(
            f"{rule}, but {saved.path} is not of {', '.join(wrong)}; such a one comes from"
            f" {HOW_TO_TRAIN}"
        )
    model = replace(
        rules, anchors=replace(rules.anchors, sizes=own.anchors.sizes, ratios=own.anchors.ratios)
    )
    state = {
        name: value
        for name, value in saved.checkpoint.weights().items()
        if not name.endswith("num_batches_tracked")
    }
    size = saved.config.data.test_short_edge, saved.config.data.long_edge
    source = f"checkpoint {saved.path.name}"
    return DetectorWeights(
        state, model, saved.label_map.num_classes, saved.passport, source, trained_size=size
    )
