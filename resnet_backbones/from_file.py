"""Build and load the network that a weights file describes, in one step."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from os import PathLike, fspath
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from resnet_backbones.classifier import Classifier, HeadSource, fill_classifier, last_bias
from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec, FreezeThrough, Norm, OutputStride, StrideIn
from resnet_backbones.weights.adapt import Adaptation, check_adaptation
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.loading import fill_backbone
from resnet_backbones.weights.naming import network_names
from resnet_backbones.weights.recognition import identify, stated_spec
from resnet_backbones.weights.sources import read_source

WAY_OUT = "give name=…, and options=… if several kinds of shortcut have these tensors"
_OF_SPEC = {field.name for field in fields(BackboneSpec)} - {"pretrained"}


class _Overrides(TypedDict, total=False):
    name: str
    norm: Norm
    freeze_through: FreezeThrough | None
    in_channels: int
    adapt: Adaptation
    strict: bool
    stride_in: StrideIn
    checkpoint_activations: bool
    options: object | None


class BackboneOverrides(_Overrides, total=False):
    """The arguments of `load_backbone` besides the file: those of `create_backbone`."""

    levels: Sequence[str] | None
    output_stride: OutputStride


class ClassifierOverrides(_Overrides, total=False):
    """The arguments of `load_classifier` besides the file: those of `create_classifier`."""

    num_classes: int
    head: HeadSource


def load_backbone(file: str | PathLike[str], **overrides: Unpack[BackboneOverrides]) -> Backbone:
    """Build the backbone that a weights file describes, and load the file into it.

    `file` is what `create_backbone` takes as `weights`. Architecture, stride, pool, options, input
    channels and output stride are those of the passport; without one the network is recognised by
    its tensors. Norms are group norms if the file has no statistics. `overrides` are `name` and the
    arguments of `create_backbone`. Raises UserError as that does, and if the tensors fit no
    registered network, or several.
    """
    file = fspath(file)
    found, spec = _described(file, overrides, BackboneOverrides.__optional_keys__)
    backbone = build(spec)
    adapt = overrides.get("adapt", "auto")
    strict = overrides.get("strict", True)
    fill_backbone(backbone, found, file, adapt, strict=strict)
    return backbone


def load_classifier(
    file: str | PathLike[str], **overrides: Unpack[ClassifierOverrides]
) -> Classifier:
    """Build the classifier that a weights file describes, and load the file into it.

    It works like `load_backbone`; the number of classes is that of the file's head. `overrides` are
    `name` and the arguments of `create_classifier`, with its defaults. Raises UserError as both do,
    and for a file without a head.
    """
    file = fspath(file)
    given = {"norm": "batch", "freeze_through": None, **overrides}
    found, spec = _described(file, given, ClassifierOverrides.__optional_keys__)
    num_classes = overrides.get("num_classes")
    if num_classes is None:
        num_classes = count_classes(found.tensors, spec)
    if num_classes is None:
        raise UserError(
            f"weights {file} must hold the head of a classifier of {spec.name}, got none; use"
            " load_backbone, or give num_classes=… and head='new'"
        )
    classifier = Classifier(build(spec), num_classes)
    head = overrides.get("head", "load")
    adapt = overrides.get("adapt", "auto")
    strict = overrides.get("strict", True)
    fill_classifier(classifier, found, file, head, adapt, strict=strict)
    return classifier


def _described(
    file: str, overrides: Mapping[str, Any], known: frozenset[str]
) -> tuple[Source, BackboneSpec]:
    """The content of the file with a passport, assumed if it has none, and the matching network."""
    unknown = overrides.keys() - known
    if unknown:
        raise TypeError(f"unexpected keyword arguments: {', '.join(sorted(unknown))}")
    check_adaptation(overrides.get("adapt", "auto"))
    found = read_source(file)
    tensors, passport = identify(
        found,
        file,
        WAY_OUT,
        name=overrides.get("name"),
        settled=overrides.get("options") is not None,
    )
    given = {name: value for name, value in overrides.items() if name in _OF_SPEC}
    spec = stated_spec(passport, {"pretrained": True, **given})
    if _lacks_statistics(tensors, spec) and overrides.get("norm") in (None, "auto", "batch"):
        spec = stated_spec(passport, {"pretrained": True, **given, "norm": "group"})
    return found._replace(passport=passport), spec


def _lacks_statistics(tensors: Mapping[str, Tensor], spec: BackboneSpec) -> bool:
    """Whether the file holds a network with norms but no statistics of batch norms."""
    with torch.device("meta"):
        needed = build(spec).state_dict()
    has = any(name.endswith("running_mean") for name in tensors)
    return not has and any(name.endswith("running_mean") for name in needed)


def count_classes(tensors: dict[str, Tensor], spec: BackboneSpec) -> int | None:
    """Number of classes of the head in a file for this network; None if it has no head."""
    with torch.device("meta"):
        backbone = build(spec)
        name = last_bias(backbone)
    named, _ = network_names(tensors, {*backbone.state_dict(), name})
    return len(named[name]) if name in named else None
