"""ResNet-18 and -34 for 32 x 32 pixels, as in kuangliu's pytorch-cifar: ImageNet's widths after a
3x3 convolution of stride 1, without a max-pool.

B images of C channels, H x W pixels. Names of parameters are those of torchvision's ResNets.
"""

from resnet_backbones.errors import UserError
from resnet_backbones.family import choose_levels, refuse_foreign
from resnet_backbones.features import FeatureLevel
from resnet_backbones.layers import init_residual
from resnet_backbones.resnet_blocks import BasicBlock, Shape
from resnet_backbones.resnet_stages import SmallStemBackbone, make_stage, plan_units
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport

DEPTHS = {"resnet18_cifar": (2, 2, 2, 2), "resnet34_cifar": (3, 4, 6, 3)}
"""Number of blocks in c1 … c4."""
LEVELS = (
    FeatureLevel("c1", 64, 1),
    FeatureLevel("c2", 128, 2),
    FeatureLevel("c3", 256, 4),
    FeatureLevel("c4", 512, 8),
)


class WideCifarResNet(SmallStemBackbone):
    """A 3x3 convolution and four stages of basic blocks, with projections where the shape
    changes.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        known = tuple(level.name for level in LEVELS)
        chosen = choose_levels(known if spec.levels is None else spec.levels, known)
        outputs = tuple(level for level in LEVELS if level.name in chosen)
        passport = Passport(architecture=spec.name)
        super().__init__(outputs, passport.with_channels(spec.in_channels))
        self.add_stem(spec, 64)
        self.stage_of = {name: f"layer{name[1:]}" for name in known if name <= chosen[-1]}
        width = 64
        plan = plan_units(DEPTHS[spec.name], 1, 32, "torchvision", 0.0)
        for level, path, units in zip(LEVELS, self.stage_of.values(), plan, strict=False):
            shape = Shape(in_channels=width, channels=level.channels, norm=spec.norm_name)
            self.add_module(path, make_stage(BasicBlock, shape, units))
            width = level.channels
        init_residual(self)
        self.settle(spec)


def check(spec: BackboneSpec) -> None:
    """Raise UserError for options that this family does not have."""
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
