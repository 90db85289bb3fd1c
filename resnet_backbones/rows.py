"""Modules in a row, called as one module; maps inside can still be asked for. B images, C channels
in, K channels out, H x W cells.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from resnet_backbones.layers import conv_norm, is_unobserved, merges
from resnet_backbones.recompute import recomputed


class Taps:
    """Maps to record inside a row: names of modules to names of maps, and the recorded maps."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self.wanted = dict(wanted)
        self.maps: dict[str, Tensor] = {}

    def keep(self, module: str, x: Tensor) -> None:
        """Keep the output of a module if it is wanted."""
        if module in self.wanted:
            self.maps[self.wanted[module]] = x


class Row(nn.Sequential):
    """Modules in a row; a convolution and the norm after it are merged if that changes nothing."""

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w)."""
        return self.run(x, 0, len(self), taps)

    def run(self, x: Tensor, start: int, end: int, taps: Taps | None = None) -> Tensor:
        """Run the modules from `start` up to `end`, without `end`."""
        named = list(self._modules.items())[start:end]
        index = 0
        while index < len(named):
            name, module = named[index]
            index += 1
            if index < len(named) and merges(module, named[index][1], x):
                name, norm = named[index]
                index += 1
                x = conv_norm(module, norm, x)
            else:
                x = module(x)
            if taps is not None:
                taps.keep(name, x)
        return x


def row_norm(row: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Compute `norm(row(x))` of a convolution, or of a row that ends with one, like `conv_norm`."""
    if isinstance(row, Row) and is_unobserved(row) and merges(row[-1], norm, x):
        last = len(row) - 1
        return conv_norm(row[last], norm, row.run(x, 0, last))
    return conv_norm(row, norm, x)


class Stage(Row):
    """A row whose activations can be recomputed in the backward pass instead of being kept.

    Each module is recomputed separately, or with `ends` each group of modules between two of these
    indices.
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        self.recompute = False
        self.ends: tuple[int, ...] | None = None

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        """(B, C, H, W) -> (B, K, h, w)."""
        if not (self.recompute and torch.is_grad_enabled()):
            return super().forward(x, taps)
        names = list(self._modules)
        for start, end in self._parts():
            part = self[start] if end == start + 1 else Row(*self[start:end])
            x = recomputed(part, x) if is_trained(part) else part(x)
            if taps is not None:
                taps.keep(names[end - 1], x)
        return x

    def _parts(self) -> Iterator[tuple[int, int]]:
        start = 0
        for end in range(1, len(self) + 1) if self.ends is None else self.ends:
            yield start, end
            start = end


def is_trained(module: nn.Module) -> bool:
    """Whether any parameter of a module is trained."""
    return any(parameter.requires_grad for parameter in module.parameters())
