"""The backbone that settings describe."""

from __future__ import annotations

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build, create_backbone
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.loading import adopt_passport
from resnet_backbones.weights.passport import Passport
from tasks.vision.settings import BackboneConfig


def build_from_config(config: BackboneConfig, passport: Passport | None) -> Backbone:
    """Build the backbone with its weights; given a passport, without any.

    The caller then loads a whole network's weights, made for that preprocessing. Raises UserError
    where they were trained with another model.stride_in.
    """
    if passport is None:
        return create_backbone(
            config.backbone,
            weights=config.weights,
            norm=config.norm,
            freeze_through=config.freeze_through,
            stride_in=config.stride_in,
            checkpoint_activations=config.checkpoint_activations,
        )
    if passport.stride_in != config.stride_in:  # the weights would fit all the same
        rule = "model.stride_in must be what the weights were trained with"
        raise UserError(f"{rule}, {passport.stride_in}, got {config.stride_in}")
    spec = BackboneSpec(
        config.backbone,
        pretrained=config.weights is not None,
        norm=config.norm,
        freeze_through=config.freeze_through,
        stride_in=config.stride_in,
        checkpoint_activations=config.checkpoint_activations,
    )
    backbone = build(spec)
    adopt_passport(backbone, passport)
    return backbone
