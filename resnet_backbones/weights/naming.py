"""Bring the tensors of a file under the names of the network to be filled."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from resnet_backbones.weights.dialects import Dialect, bare, detect, to_torchvision
from resnet_backbones.weights.passport import MSRA_MEAN, Passport

State = dict[str, Tensor]


def for_network(
    tensors: State, passport: Passport | None, needed: Collection[str], built: Passport, source: str
) -> tuple[State, Passport]:
    """Tensors under the names of a network that needs `needed` and was built as `built` says, and
    the file's passport, or the most likely one.
    """
    named, dialect = network_names(tensors, needed)
    if dialect in ("caffe2", "detectron2"):
        named = complete_norms(named, dialect, built.norm_eps)
    return named, passport or assumed_passport(built, named, dialect, source)


def network_names(tensors: State, needed: Collection[str]) -> tuple[State, Dialect]:
    """Tensors under the names of which the network knows the most, and the file's dialect:
    unchanged, without prefixes, or torchvision's.
    """
    dialect = detect(tensors)
    choices: tuple[State, ...] = (tensors, bare(tensors), to_torchvision(tensors, dialect))
    wanted = set(needed)
    known = [len(wanted & choice.keys()) for choice in choices]
    best = known.index(max(known))  # the first of equals
    own_names = best < 2 and dialect in ("caffe2", "detectron2", "mmdet")
    return choices[best], "torchvision" if own_names else dialect


def complete_norms(tensors: State, dialect: Dialect, eps: float) -> State:
    """Complete the norms of Caffe's and Detectron's networks, under torchvision's names.

    MSRA's files have the statistics merged into scale and shift: the mean becomes 0, and the
    variance 1 once epsilon is added. A convolution's bias before a norm becomes a smaller mean,
    exactly.
    """
    merged = not any(name.endswith("running_mean") for name in tensors)
    completed = dict(tensors)
    if dialect == "caffe2" and merged:
        for name, tensor in tensors.items():
            norm = name.removesuffix(".weight")
            if norm != name and tensor.dim() == 1:
                completed[f"{norm}.running_mean"] = torch.zeros_like(tensor)
                completed[f"{norm}.running_var"] = torch.full_like(tensor, 1 - eps)
    for name in tensors:
        mean = f"{_norm_after(name.removesuffix('.bias'))}.running_mean"
        if name.endswith(".bias") and mean in completed:
            completed[mean] = completed[mean] - completed.pop(name)
    return completed


def _norm_after(module: str) -> str:
    """Name of the norm after a convolution: `layer1.0.conv2` -> `layer1.0.bn2`; any other name
    gives one that does not exist.
    """
    place, _, last = module.rpartition(".")
    if place.endswith("downsample"):
        return f"{place}.1" if last == "0" else ""
    norm = last.replace("conv", "bn") if last.startswith("conv") else ""
    return f"{place}.{norm}" if place and norm else norm


def assumed_passport(
    built: Passport, tensors: Mapping[str, Tensor], dialect: Dialect, source: str
) -> Passport:
    """The most likely passport of a file without one: MSRA's preprocessing for Detectron's names,
    else ImageNet's; centred zeros for akamaster's CIFAR nets.
    """
    passport = Passport(
        architecture=built.architecture, source=source, norm_eps=built.norm_eps, assumed=True
    )
    if dialect not in ("caffe2", "detectron2"):
        options = {"shortcut": "A_centred"} if is_akamaster(tensors, dialect) else {}
        return replace(passport, stride_in=built.stride_in, pool=built.pool, options=options)
    bottlenecks = "layer1.0.conv3.weight" in tensors
    return replace(
        passport,
        stride_in="1x1" if bottlenecks else "3x3",
        channel_order="bgr",
        value_range=255.0,
        mean=MSRA_MEAN,
        std=(1.0, 1.0, 1.0),
    )


def is_akamaster(tensors: Mapping[str, Tensor], dialect: Dialect) -> bool:
    """Whether the names are those of akamaster's CIFAR nets with their usual shortcuts, which have
    no tensors.
    """
    if dialect != "kuangliu":
        return False
    stages = {name.partition(".")[0] for name in tensors if name.startswith("layer")}
    projected = any(".downsample." in name for name in tensors)
    return stages == {"layer1", "layer2", "layer3"} and not projected
