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
    """Copy `module` in evaluation mode without gradients, with constant norms folded into the
    weights of their convolutions.

    Such a norm, a frozen one or a batch norm, becomes nn.Identity; the weight of its convolution is
    scaled and the bias shifted. Pairs are found by name: conv1 and bn1, or neighbours in an
    nn.Sequential. Weights keep their memory layout.
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
    """Yield each convolution that is directly followed by its constant norm: their parent and their
    names in it.
    """
    for parent in module.modules():
        for (first, conv), (second, norm) in pairwise(parent.named_children()):
            follows = isinstance(parent, nn.Sequential) or _number(first) == _number(second)
            if follows and is_foldable(conv) and is_constant(norm):
                yield parent, first, second


def _number(name: str) -> str:
    """The digits of a name: 1 of conv1 and bn1."""
    return "".join(character for character in name if character.isdigit())
