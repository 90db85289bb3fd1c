"""Build the backbone of the settings, or take the one in a checkpoint of any task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build, create_backbone, make_options
from resnet_backbones.spec import BackboneSpec, OutputStride
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.loading import adopt_passport, fill_backbone
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.saving import save_weights
from tasks.engine.checkpoint import Checkpoint
from tasks.engine.environment import find_commit
from tasks.vision.saved import read_passport
from tasks.vision.settings import BackboneConfig

_PART = "backbone."  # prefix in networks that have a backbone among other parts


def build_from_config(
    config: BackboneConfig,
    passport: Passport | None,
    found: Source | None = None,
    *,
    output_stride: OutputStride = 32,
) -> Backbone:
    """Build the backbone with the weights of the settings, or with the `found` ones.

    With a passport it loads none: the caller then loads a whole network's weights, made for that
    preprocessing. Raises UserError if weights are of another network or model.stride_in, or if
    `create_backbone` refuses the settings.
    """
    assert passport is None or found is None
    options = make_options(config.backbone, config.options.given())
    if passport is None and found is None:
        return create_backbone(
            config.backbone,
            weights=config.weights,
            norm=config.norm,
            freeze_through=config.freeze_through,
            output_stride=output_stride,
            stride_in=config.stride_in,
            checkpoint_activations=config.checkpoint_activations,
            options=options,
        )
    spec = BackboneSpec(
        config.backbone,
        pretrained=found is not None or config.weights is not None,
        norm=config.norm,
        freeze_through=config.freeze_through,
        output_stride=output_stride,
        stride_in=config.stride_in,
        checkpoint_activations=config.checkpoint_activations,
        options=options,
    )
    backbone = build(spec)
    if found is not None:
        source = config.weights if found.passport is None else found.passport.source
        fill_backbone(backbone, found, str(source))
    elif passport is not None:
        _check_stride(passport, config)
        adopt_passport(backbone, passport)
    return backbone


def backbone_source(checkpoint: Checkpoint) -> Source:
    """Return the backbone's weights in a checkpoint of any task, with their passport.

    They are the moving average's if the checkpoint has one. A classifier's head is included, as in
    files of weights; UserError for a checkpoint without preprocessing.
    """
    state = checkpoint.weights()
    own = {name.removeprefix(_PART): x for name, x in state.items() if name.startswith(_PART)}
    averaged = ", moving average" if checkpoint.has_ema else ""
    task = checkpoint.metadata.get("task")
    told = f"from a checkpoint of {task}, step {checkpoint.step}{averaged}"
    passport = replace(trained_passport(checkpoint), source=str(checkpoint.path))
    return Source(own or state, passport, (told,))


def trained_passport(checkpoint: Checkpoint) -> Passport:
    """Return the passport in a checkpoint; its recipe says how the weights were trained."""
    passport = read_passport(checkpoint)
    task = checkpoint.metadata.get("task")
    return replace(passport, recipe=f"{task}, {checkpoint.step} steps from {passport.source}")


def write_backbone(backbone: Backbone, checkpoint: Checkpoint, path: str | Path) -> str:
    """Write a network's backbone with the passport of its checkpoint to a .safetensors file.

    The weights are the moving average's if the checkpoint has one. Returns the Python code that
    reads them.
    """
    save_weights(path, backbone, trained_passport(checkpoint), commit=find_commit() or "")
    return f"read it with resnet_backbones.load_backbone({str(path)!r})"


class NamesABackbone(Protocol):
    """Settings of a network with a backbone, whatever the task."""

    @property
    def backbone(self) -> str:
        """Its registered name."""

    @property
    def stride_in(self) -> str:
        """Convolution of a bottleneck that carries the stride."""

    @property
    def norm(self) -> str:
        """Kind of its normalisation layers."""


def refuse_other_backbone(old: NamesABackbone, new: NamesABackbone, path: str) -> None:
    """Raise UserError for weights of another backbone, as their tensors may fit by chance, and if
    only one of both has group norms.
    """
    pairs = (
        ("model.backbone", old.backbone, new.backbone),
        ("model.stride_in", old.stride_in, new.stride_in),
        ("model.norm", _kind_of_norm(old), _kind_of_norm(new)),
    )
    for name, was, now in pairs:
        if was != now:
            rule = f"model.weights={path} was trained with {name}={was}"
            raise UserError(f"{rule}, got {name}={now}; set {name}={was}, or take other weights")


def _kind_of_norm(config: NamesABackbone) -> str:
    """Batch, synchronised and frozen norms have the same tensors with the same meanings."""
    return "group" if config.norm == "group" else "batch"


def _check_stride(passport: Passport, config: BackboneConfig) -> None:
    if passport.stride_in != config.stride_in:  # the weights would still fit
        rule = "model.stride_in must be what the weights were trained with"
        raise UserError(f"{rule}, {passport.stride_in}, got {config.stride_in}")
