"""Make any task's network ready to run, besides folding norms."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn


def use_bf16_weights(model: nn.Module, kept_fp32: Collection[nn.Module] = ()) -> None:
    """Convert in place the weights that autocast would convert to bf16 for each batch; those of
    `kept_fp32` stay.
    """
    for module in model.modules():
        # others, such as standardised convolutions, change their weights first
        if type(module) in (nn.Conv2d, nn.Linear) and module not in kept_fp32:
            module.to(torch.bfloat16)
