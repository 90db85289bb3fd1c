"""Convert weights of other libraries to our names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from resnet_backbones.errors import UserError


def rename_tensors(
    state: Mapping[str, Tensor], prefixes: Sequence[tuple[str, str]], whose: str
) -> dict[str, Tensor]:
    """Return the tensors in channels_last, each name's prefix replaced by the first matching pair
    (theirs, ours).

    Raises UserError with the first name that matches none, saying `whose` the weights must be.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        layout = torch.channels_last if value.dim() == 4 else torch.contiguous_format
        renamed[_rename(name, prefixes, whose)] = value.contiguous(memory_format=layout)
    return renamed


def _rename(name: str, prefixes: Sequence[tuple[str, str]], whose: str) -> str:
    for theirs, ours in prefixes:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    raise UserError(f"weights must be those of {whose}, got a tensor named {name}")
