"""ResNet-18 and -34 for 32 x 32 pixels, as kuangliu's pytorch-cifar made them common: ImageNet's
widths behind a 3x3 convolution of stride 1, without a max-pool.

B images of C channels, H x W pixels. Names of parameters are those of torchvision's ResNets.
"""

import torch.nn.functional as F
from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.family import choose_levels, refuse_foreign
from resnet_backbones.features import FeatureLevel
from resnet_backbones.layers import conv_norm, init_residual, make_norm
from resnet_backbones.resnet_blocks import BasicBlock, Shape, conv3x3
from resnet_backbones.resnet_stages import StagedBackbone, make_stage, plan_units
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport

DEPTHS = {"resnet18_cifar": (2, 2, 2, 2), "resnet34_cifar": (3, 4, 6, 3)}
"""Blocks in c1 … c4."""
LEVELS = (
    FeatureLevel("c1", 64, 1),
    FeatureLevel("c2", 128, 2),
    FeatureLevel("c3", 256, 4),
    FeatureLevel("c4", 512, 8),
)


class WideCifarResNet(StagedBackbone):
    """A 3x3 convolution and four stages of basic blocks, with projections where the shape
    changes.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        known = tuple(level.name for level in LEVELS)
        chosen = choose_levels(known if spec.levels is None else spec.levels, known)
        outputs = tuple(level for level in LEVELS if level.name in chosen)
        passport = Passport(architecture=spec.name)
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.checkpoint_activations = spec.checkpoint_activations
        self.stem_modules = ("conv1", "bn1")
        self.conv1 = conv3x3(spec.in_channels, 64, 1, 1)
        self.bn1 = make_norm(spec.norm_name, 64)
        self.stage_of = {name: f"layer{name[1:]}" for name in known if name <= chosen[-1]}
        width = 64
        plan = plan_units(DEPTHS[spec.name], 1, 32, "torchvision", 0.0)
        for level, path, units in zip(LEVELS, self.stage_of.values(), plan, strict=False):
            shape = Shape(in_channels=width, channels=level.channels, norm=spec.norm_name)
            self.add_module(path, make_stage(BasicBlock, shape, units))
            width = level.channels
        init_residual(self)
        self.freeze(self.modules_through(spec.freeze_through))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        x = F.relu_(conv_norm(self.conv1, self.bn1, images))  # (B, 64, H, W)
        maps = {}
        for name in self.stage_of:
            x = self.run_stage(name, x)
            maps[name] = x
        return {level.name: maps[level.name] for level in self.levels}


def check(spec: BackboneSpec) -> None:
    """Raise UserError for what the family has not."""
    refuse_foreign(spec)
    if spec.freeze_through == "c5":
        raise UserError(
            f"freeze_through must be none, stem, c1, c2, c3 or c4 for {spec.name}, got c5"
        )
    if spec.output_stride != 32:
        raise UserError(
            f"output_stride must be 32 for {spec.name}, whose coarsest stride is 8, got"
            f" {spec.output_stride}"
        )


build = WideCifarResNet
