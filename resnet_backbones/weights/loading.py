"""Read weights from files, torchvision or timm into a backbone."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.layers import FrozenBatchNorm2d
from resnet_backbones.weights.adapt import Adaptation, adapt_channels, first_convolution
from resnet_backbones.weights.dialects import Dialect, detect, to_torchvision
from resnet_backbones.weights.passport import MSRA_MEAN, Passport
from resnet_backbones.weights.report import WeightReport
from resnet_backbones.weights.sources import read_source

SMALLEST_SHARE = 0.95
"""Of the tensors that a backbone needs, the share that a file must hold."""
_COUNTER = "num_batches_tracked"
_WITHOUT = {"output_stride": 32, "dilation": "torchvision"}
"""Options of networks that say nothing of these."""


def load_weights(backbone: Backbone, source: str, adapt: Adaptation = "auto") -> WeightReport:
    """Load a local .pth, .pkl or .safetensors file, `torchvision:resnet50.IMAGENET1K_V1` or
    `timm:resnet50.a1_in1k`.

    Names of any dialect (`weights.dialects`) and wrappers' prefixes are understood;
    `adapt` says how the first convolution takes other `in_channels`. Sets `backbone.passport` and
    `backbone.report`. UserError when fewer than 95 % of the tensors that the backbone needs are
    found (`num_batches_tracked` apart), when the file is of another network, or when its passport
    says so.
    """
    tensors, passport = read_source(source)
    return load_tensors(backbone, tensors, passport, source, adapt)


def load_tensors(
    backbone: Backbone,
    tensors: dict[str, Tensor],
    passport: Passport | None,
    source: str,
    adapt: Adaptation = "auto",
) -> WeightReport:
    """`load_weights` of tensors in hand; errors and the report call them `source`."""
    tensors, dialect = torchvision_names(tensors, backbone)
    passport = passport or assumed_passport(backbone.passport, tensors, dialect, source)
    _check_passport(passport, backbone.passport, source)
    _check_norms(tensors, backbone, source)
    channels = len(backbone.passport.mean)
    tensors, adapted = adapt_channels(tensors, first_convolution(backbone), channels, adapt)
    passport = replace(passport, adapted=adapted) if adapted else passport
    origin = (
        "assumed, as the file has no passport" if passport.assumed else "from the weights' passport"
    )
    told = f"input is {passport}, stride in the {passport.stride_in} convolution: {origin}"
    report = _compare(tensors, backbone, source, (told, adapted) if adapted else (told,))
    _check_report(report, backbone)
    counters = [
        name for name in backbone.state_dict() if name.endswith(_COUNTER) and name in tensors
    ]
    backbone.load_state_dict(
        {name: tensors[name] for name in (*report.matched, *counters)}, strict=False
    )
    adopt_passport(backbone, passport)
    backbone.report = report
    return report


def adopt_passport(backbone: Backbone, passport: Passport) -> None:
    """Make the backbone expect what `passport` says of input and norms, when a state dict is loaded
    without a file.

    The options stay those that the backbone was built with, and class names are a classifier's.
    """
    _set_eps(backbone, passport.norm_eps)
    passport = replace(passport, options=backbone.passport.options, label_map=())
    backbone.passport = passport.with_channels(len(backbone.passport.mean))


def torchvision_names(
    tensors: dict[str, Tensor], backbone: Backbone
) -> tuple[dict[str, Tensor], Dialect]:
    """The tensors under torchvision's names if the backbone knows more of those than of the file's,
    and the dialect.
    """
    dialect, needed = detect(tensors), backbone.state_dict().keys()
    renamed = to_torchvision(tensors, dialect)
    if len(needed & tensors.keys()) >= len(needed & renamed.keys()):
        return tensors, "torchvision"
    if dialect == "caffe2" and not any(name.endswith("running_mean") for name in renamed):
        renamed |= _merged_statistics(renamed, backbone)
    return renamed, dialect


def _merged_statistics(tensors: Mapping[str, Tensor], backbone: Backbone) -> dict[str, Tensor]:
    """MSRA's files have the statistics merged into scale and shift: mean 0, and variance 1 once
    epsilon is added.
    """
    eps = backbone.passport.norm_eps
    norms = {
        name.rpartition(".")[0]: t
        for name, t in tensors.items()
        if t.dim() == 1 and not name.startswith("fc.")
    }
    means = {f"{name}.running_mean": torch.zeros_like(tensor) for name, tensor in norms.items()}
    return means | {
        f"{name}.running_var": torch.full_like(tensor, 1 - eps) for name, tensor in norms.items()
    }


def assumed_passport(
    built: Passport, tensors: Mapping[str, Tensor], dialect: Dialect, source: str
) -> Passport:
    """What is most likely of a file without a passport: MSRA's preprocessing for Detectron's names,
    else ImageNet's.
    """
    passport = Passport(
        architecture=built.architecture, source=source, norm_eps=built.norm_eps, assumed=True
    )
    if dialect not in ("caffe2", "detectron2"):
        return replace(passport, stride_in=built.stride_in, pool=built.pool)
    bottlenecks = "layer1.0.conv3.weight" in tensors
    return replace(
        passport,
        stride_in="1x1" if bottlenecks else "3x3",
        channel_order="bgr",
        value_range=255.0,
        mean=MSRA_MEAN,
        std=(1.0, 1.0, 1.0),
    )


def _check_passport(passport: Passport, wanted: Passport, source: str) -> None:
    assumption = (
        ", which is assumed from its names as it has no passport" if passport.assumed else ""
    )
    if passport.stride_in != wanted.stride_in:
        raise UserError(
            f"weights {source} were trained with the stride in the {passport.stride_in}"
            f" convolution{assumption}, got stride_in={wanted.stride_in}; set"
            f" model.stride_in={passport.stride_in}"
            + (
                ", or name it with `backbones convert-weights --passport stride_in=3x3`"
                if assumption
                else ""
            )
        )
    if passport.pool != wanted.pool:
        raise UserError(
            f"weights {source} were trained with a {passport.pool} max-pool, got"
            f" pool={wanted.pool}; build the backbone with"
            f" options=ResNetOptions(pool={passport.pool!r})"
        )
    if passport.architecture.removeprefix("timm:") != wanted.architecture.removeprefix("timm:"):
        raise UserError(
            f"weights {source} must be of {wanted.architecture}, got {passport.architecture}; "
            f"set model.backbone={passport.architecture} or take other weights"
        )
    _check_options(passport, wanted, source)


def _check_options(passport: Passport, wanted: Passport, source: str) -> None:
    """Refuse weights of other options; what the file does not say, as older files do not,
    contradicts nothing.
    """
    timm = wanted.architecture.startswith("timm:")  # whose nets say nothing of what shapes tell
    built = _WITHOUT | wanted.options
    others = {
        n: x for n, x in passport.options.items() if built.get(n) != x and (n in built or not timm)
    }
    if not others:
        return
    trained, got = _listed(others), _listed({name: built.get(name) for name in others})
    arguments = (
        [f"output_stride={others.pop('output_stride')}"] if "output_stride" in others else []
    )
    arguments += [f"options=…({_listed(others)})"] if others else []
    way_out = f"build the network with {' and '.join(arguments)}"
    raise UserError(f"weights {source} were trained with {trained}, got {got}; {way_out}")


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _check_norms(tensors: Mapping[str, Tensor], backbone: Backbone, source: str) -> None:
    statistics = next((name for name in tensors if name.endswith("running_mean")), None)
    if statistics and any(isinstance(module, nn.GroupNorm) for module in backbone.modules()):
        raise UserError(
            f"norm=group needs weights trained with group norm, got batch norm's ({statistics} in"
            f" {source}); use norm=auto, batch, frozen or sync, or no weights"
        )


def _compare(
    tensors: Mapping[str, Tensor], backbone: Backbone, source: str, notes: tuple[str, ...]
) -> WeightReport:
    needed = {
        name: tensor
        for name, tensor in backbone.state_dict().items()
        if not name.endswith(_COUNTER)
    }
    found = [name for name in needed if name in tensors]
    fits = {name: tensors[name].shape == needed[name].shape for name in found}
    return WeightReport(
        source=source,
        matched=tuple(name for name in found if fits[name]),
        missing=tuple(name for name in needed if name not in tensors),
        unexpected=tuple(
            name for name in tensors if name not in needed and not name.endswith(_COUNTER)
        ),
        mismatched=tuple(
            f"{name}: file {tuple(tensors[name].shape)}, backbone {tuple(needed[name].shape)}"
            for name in found
            if not fits[name]
        ),
        notes=notes,
    )


def _check_report(report: WeightReport, backbone: Backbone) -> None:
    """Refuse too few matches, and left-over tensors inside the stages that were built: those of
    another network.
    """
    built = {name for name, _ in backbone.named_children()}
    foreign = [name for name in report.unexpected if name.partition(".")[0] in built]
    if len(report.matched) >= SMALLEST_SHARE * report.needed and not foreign:
        return
    lists = {
        "missing": report.missing,
        "wrong shape": report.mismatched,
        "not of this network": foreign,
    }
    raise UserError(
        f"weights {report.source} must hold at least {SMALLEST_SHARE:.0%} of the {report.needed}"
        f" tensors that {backbone.passport.architecture} needs and none of another network, got"
        f" {len(report.matched)}; check model.backbone and the norm. "
        + "; ".join(
            f"{len(names)} {fate}: {', '.join(names)}" for fate, names in lists.items() if names
        )
    )


def _set_eps(backbone: Backbone, eps: float) -> None:
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d | _BatchNorm | nn.GroupNorm):
            module.eps = eps
