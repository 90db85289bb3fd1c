"""Fold constant normalisation into the convolutions before it, for inference."""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn

from resnet_backbones.layers import is_constant, is_foldable, scale_and_shift

M = TypeVar("M", bound=nn.Module)


@torch.no_grad()
def fold_norms(module: M) -> M:
    """A copy of `module` in evaluation mode without gradients, whose constant norms are in its
    convolutions' weights.

    Such a norm, a frozen one or a batch norm, becomes nn.Identity; its convolution's weight is
    scaled and its bias shifted. What follows a convolution is known by its name: conv1 and bn1, or
    neighbours in an nn.Sequential. Weights keep their memory layout.
    """
    folded = copy.deepcopy(module).eval().requires_grad_(False)
    for parent, conv_name, norm_name in list(_pairs(folded)):
        conv, norm = parent.get_submodule(conv_name), parent.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        scale, shift = scale_and_shift(norm)
        bias = shift if conv.bias is None else shift + conv.bias * scale
        conv.weight.mul_(scale.reshape(-1, 1, 1, 1))
        conv.bias = nn.Parameter(bias.clone(), requires_grad=False)
        setattr(parent, norm_name, nn.Identity())
    return folded


def _pairs(module: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Each convolution directly followed by its constant norm: their parent and their names
    in it.
    """
    for parent in module.modules():
        for (first, conv), (second, norm) in pairwise(parent.named_children()):
            follows = isinstance(parent, nn.Sequential) or _number(first) == _number(second)
            if follows and is_foldable(conv) and is_constant(norm):
                yield parent, first, second


def _number(name: str) -> str:
    """The digits of a name: 1 of conv1 and bn1."""
    return "".join(character for character in name if character.isdigit())
