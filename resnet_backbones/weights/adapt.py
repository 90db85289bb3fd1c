"""Adapt the first convolution to other inputs. K filters over C channels: weights (K, C, h, w)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.weights.passport import Passport

Adaptation = Literal["auto", "sum", "repeat", "mean"]
State = dict[str, Tensor]


def first_convolution(network: nn.Module) -> str:
    """Name of the weights of the first convolution."""
    return next(name for name, tensor in network.state_dict().items() if tensor.dim() == 4)


def check_adaptation(how: str) -> None:
    """Raise UserError for a word that is not an `Adaptation`."""
    if how not in get_args(Adaptation):
        raise UserError(
            f"adapt must be {', '.join(get_args(Adaptation)[:-1])} or mean, got {how!r}"
        )


def adapt_channels(
    tensors: State, name: str, channels: int, how: Adaptation = "auto"
) -> tuple[State, str]:
    """Adapt the weights `name` to `channels` input channels; returns a sentence about the change
    too, or "".

    `sum` is for one channel, `repeat` takes the trained channels in turn, `mean` gives each the
    mean of them. The response to gray images stays; with `repeat`, if whole cycles fit. `auto` is
    sum for one channel, else repeat. UserError for another word, and for a sum over several
    channels.
    """
    check_adaptation(how)
    weight = tensors.get(name)
    if weight is None or weight.dim() != 4 or weight.shape[1] == channels:
        return tensors, ""
    trained = weight.shape[1]
    how = ("sum" if channels == 1 else "repeat") if how == "auto" else how
    if how == "sum":
        if channels != 1:
            raise UserError(
                f"adapt must be repeat or mean for in_channels={channels}, got sum, which is for 1"
            )
        adapted, told = weight.sum(1, keepdim=True), "summed"
    elif how == "repeat":
        cycle = torch.arange(channels) % trained
        adapted, told = (
            weight[:, cycle] * (trained / channels),
            f"repeated and scaled by {trained}/{channels}",
        )
    else:
        mean = weight.mean(1, keepdim=True).expand(-1, channels, -1, -1)
        adapted, told = mean * (trained / channels), f"averaged and scaled by {trained}/{channels}"
    return {
        **tensors,
        name: adapted,
    }, f"{name} was trained on {trained} channels, in_channels is {channels}: {told}"


def reorder_channels(
    tensors: Mapping[str, Tensor], name: str, passport: Passport
) -> tuple[State, Passport]:
    """Weights of the same function for the other channel order: exact, as whole filters change
    places.
    """
    other: Literal["rgb", "bgr"] = "bgr" if passport.channel_order == "rgb" else "rgb"
    turned = replace(
        passport, channel_order=other, mean=passport.mean[::-1], std=passport.std[::-1]
    )
    return {**tensors, name: tensors[name].flip(1)}, turned


def fold_std(
    tensors: Mapping[str, Tensor], name: str, passport: Passport
) -> tuple[State, Passport]:
    """Weights of the same function for images that are not divided by the std: exact to rounding,
    as zero padding stays zero.
    """
    std = torch.tensor(passport.std, dtype=torch.float64).reshape(1, -1, 1, 1)
    weight = tensors[name]
    folded = (weight.double() / std).to(weight.dtype)
    return {**tensors, name: folded}, replace(passport, std=(1.0,) * len(passport.std))


def fold_mean_std(
    tensors: Mapping[str, Tensor], name: str, passport: Passport
) -> tuple[State, Passport]:
    """`fold_std`, for weights whose mean is zero; UserError for others.

    A subtracted mean would become a bias, and that is wrong wherever the first convolution sees its
    zero padding.
    """
    if any(passport.mean):
        raise UserError(
            f"a mean of {passport.mean} cannot be folded into {name}: its zero padding would count"
            f" as {passport.mean} too little at the border; use --fold-std, which is exact"
        )
    return fold_std(tensors, name, passport)
