"""Load weights from any source into a backbone.  Nothing is left out silently."""

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from os import PathLike, fspath

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.layers import FrozenBatchNorm2d
from resnet_backbones.weights.adapt import Adaptation, adapt_channels, first_convolution
from resnet_backbones.weights.contradictions import check_norms, check_passport
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.naming import for_network
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.report import PartialWeightsWarning, WeightReport, count, shorten
from resnet_backbones.weights.sources import read_source

COUNTER = "num_batches_tracked"
"""Counter of batch norms, which no network needs and many files lack."""
_LISTED = 10
_OF_CLASSIFIERS = re.compile(r"layer\d+|stages|features|norm|inception\w+|aux\d*")
"""Outermost names of stages that the requested levels may not need, and of auxiliary heads."""


def load_weights(
    backbone: Backbone,
    source: str | PathLike[str],
    adapt: Adaptation = "auto",
    *,
    strict: bool = True,
) -> WeightReport:
    """Load a local .pth, .pkl or .safetensors file, `torchvision:resnet50.IMAGENET1K_V1`,
    `timm:resnet50.a1_in1k` or `ours:NAME` (`list_weights`).

    Names of any dialect (`weights.dialects`) and wrappers' prefixes are understood; `adapt` says
    how the first convolution takes other `in_channels`. Sets `backbone.passport` and
    `backbone.report`. Raises UserError if a tensor of the backbone is missing, not finite or of
    another shape (except `num_batches_tracked`), or if tensors or passport belong to another
    network. With `strict=False` the tensors that fit are loaded, and a PartialWeightsWarning names
    the others.
    """
    source = fspath(source)
    return fill_backbone(backbone, read_source(source), source, adapt, strict=strict)


def fill_backbone(
    backbone: Backbone,
    found: Source,
    source: str,
    adapt: Adaptation = "auto",
    *,
    strict: bool = True,
) -> WeightReport:
    """Load the weights found at `source`, as `load_weights` does."""
    tensors, passport = for_network(
        found.tensors, found.passport, backbone.state_dict().keys(), backbone.passport, source
    )
    return load_tensors(
        backbone, tensors, passport, source, adapt, strict=strict, notes=found.notes
    )


def load_tensors(
    backbone: Backbone,
    tensors: dict[str, Tensor],
    passport: Passport,
    source: str,
    adapt: Adaptation = "auto",
    *,
    strict: bool = True,
    notes: tuple[str, ...] = (),
) -> WeightReport:
    """Load tensors under the backbone's names, as `load_weights` does; `source` names them in
    errors and the report.
    """
    check_passport(passport, backbone, source)
    check_norms(tensors, backbone, source)
    channels = len(backbone.passport.mean)
    tensors, adapted = adapt_channels(tensors, first_convolution(backbone), channels, adapt)
    passport = replace(passport, adapted=adapted) if adapted else passport
    origin = (
        "assumed, as the file has no passport" if passport.assumed else "from the weights' passport"
    )
    told = f"input is {passport}, stride in the {passport.stride_in} convolution: {origin}"
    notes = (*notes, told, adapted) if adapted else (*notes, told)
    report = _compare(tensors, backbone, source, notes)
    _check_report(report, backbone, strict)
    counters = [
        name for name in backbone.state_dict() if name.endswith(COUNTER) and name in tensors
    ]
    backbone.load_state_dict(
        {name: tensors[name] for name in (*report.matched, *counters)}, strict=False
    )
    adopt_passport(backbone, passport)
    backbone.report = report
    return report


def adopt_passport(backbone: Backbone, passport: Passport) -> None:
    """Set the backbone's input and norms to those of `passport`, for a state dict that is loaded
    without a file.

    The options stay those that the backbone was built with; class names belong to a classifier.
    """
    _set_eps(backbone, passport.norm_eps)
    passport = replace(passport, options=backbone.passport.options, label_map=())
    backbone.passport = passport.with_channels(len(backbone.passport.mean))


def fits(tensor: Tensor, wanted: Tensor) -> bool:
    """Whether a tensor has the wanted shape and is finite."""
    return tensor.shape == wanted.shape and is_finite(tensor)


def is_finite(tensor: Tensor) -> bool:
    """Whether all values are finite."""
    return bool(torch.isfinite(tensor).all())


def _compare(
    tensors: Mapping[str, Tensor], backbone: Backbone, source: str, notes: tuple[str, ...]
) -> WeightReport:
    needed = {
        name: tensor for name, tensor in backbone.state_dict().items() if not name.endswith(COUNTER)
    }
    found = [name for name in needed if name in tensors]
    unexpected = [name for name in tensors if name not in needed and not name.endswith(COUNTER)]
    shaped = [name for name in found if tensors[name].shape == needed[name].shape]
    finite = [name for name in shaped if is_finite(tensors[name])]
    return WeightReport(
        source=source,
        matched=tuple(finite),
        missing=tuple(name for name in needed if name not in tensors),
        unexpected=tuple(unexpected),
        other_parts=_other_parts(unexpected, backbone),
        mismatched=tuple(
            f"{name}: file {tuple(tensors[name].shape)}, backbone {tuple(needed[name].shape)}"
            for name in found
            if name not in set(shaped)
        ),
        not_finite=tuple(name for name in shaped if name not in set(finite)),
        notes=notes,
    )


def _check_report(report: WeightReport, backbone: Backbone, strict: bool) -> None:
    """Raise UserError for weights that are not complete, or warn; tensors of another network inside
    the stages that were built count too.
    """
    foreign = foreign_names(report.unexpected, backbone)
    if not report.random and not foreign:
        return
    faults = report.faults(_LISTED)
    faults += [count("not of this network", foreign, _LISTED)] if foreign else []
    seen = f"got {len(report.matched)}; {'; '.join(faults)}"
    rule = (
        f"the {report.needed} tensors that {backbone.passport.architecture} needs, finite and in"
        " their shapes, and none of another network"
    )
    if strict or not report.matched:
        raise UserError(
            f"weights {report.source} must hold {rule}, {seen}; check the name, the levels and the"
            " norm (model.backbone and model.norm of a recipe) against `backbones describe FILE`"
            + (
                ", or in Python load what fits with strict=False"
                if report.matched
                else _rename_hint(report)
            )
        )
    message = f"weights {report.source} do not hold {rule}, {seen}; the rest keeps its initial"
    warnings.warn(f"{message} values", PartialWeightsWarning, stacklevel=5)


def _rename_hint(report: WeightReport) -> str:
    names = shorten(report.unexpected)
    return f"; its names are {names}: `backbones convert-weights --rename OLD=NEW` changes them"


def foreign_names(names: Collection[str], backbone: Backbone) -> list[str]:
    """Left-over names inside modules that were built."""
    built = {name for name, _ in backbone.named_children()}
    inside = [name for name in names if name.partition(".")[0] in built]
    last: dict[str, int] = {}
    for name in backbone.state_dict():
        owner, index = _place(name)
        last[owner] = max(index, last.get(owner, -1))
    return [name for name in inside if not _is_later(name, last)]


def _other_parts(names: Collection[str], backbone: Backbone) -> tuple[str, ...]:
    """Outermost parts of left-over names that no classifier with this backbone has; a single layer
    may be a head under another name.
    """
    own = {name for name, _ in backbone.named_children()}
    own |= {name.partition(".")[0] for name in backbone.classifier_head(1).state_dict()}
    deep = [name for name in names if name.count(".") > 1]
    outermost = dict.fromkeys(name.partition(".")[0] for name in deep)
    others = [name for name in outermost if name not in own]
    return tuple(name for name in others if not _OF_CLASSIFIERS.fullmatch(name))


def _is_later(name: str, last: Mapping[str, int]) -> bool:
    """Whether a name belongs to a layer of VGG, or a stage of a pre-activation net, after those
    that the requested levels need.
    """
    owner, index = _place(name)
    return owner in ("features", "stages") and index > last.get(owner, -1)


def _place(name: str) -> tuple[str, int]:
    """A tensor's outermost module and its index in it, -1 without one."""
    owner, _, rest = name.partition(".")
    index = rest.partition(".")[0]
    return owner, int(index) if index.isdigit() else -1


def _set_eps(backbone: Backbone, eps: float) -> None:
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d | _BatchNorm | nn.GroupNorm):
            module.eps = eps
