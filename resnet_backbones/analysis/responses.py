"""Layer responses, norms of signals and gradients by depth, and residual against identity.

The layer responses are those of He et al. 2016, figure 7: standard deviations of each convolution's
output after its norm and before the nonlinearity or the addition. B images of C channels, H x W
pixels.
"""

import copy
import csv
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_backbones.features import Backbone
from resnet_backbones.layers import FrozenBatchNorm2d

NORMS = (_BatchNorm, FrozenBatchNorm2d, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True, kw_only=True)
class LayerResponse:
    """Response of one convolution."""

    layer: str
    """The convolution's name."""
    std: float
    """Standard deviation of the output after the norm, if one follows, before the nonlinearity."""
    forward_norm: float
    """Root mean square of that output."""
    backward_norm: float
    """Root mean square of the gradient at that output, of the loss that `measure_responses`
    states."""


@dataclass(frozen=True, kw_only=True)
class BlockResponse:
    """Response of one residual block."""

    block: str
    residual_to_identity: float
    """Norm of the block's branch over the norm of its shortcut."""


@dataclass(frozen=True)
class Responses:
    """Layers and residual blocks of a network, in the order of the forward pass."""

    name: str
    layers: tuple[LayerResponse, ...]
    blocks: tuple[BlockResponse, ...]

    def sorted_stds(self) -> tuple[float, ...]:
        """Standard deviations from the largest to the smallest, the lower half of figure 7."""
        return tuple(sorted((layer.std for layer in self.layers), reverse=True))

    def __str__(self) -> str:
        wide = max(len(row.layer) for row in self.layers)
        lines = [f"{'layer':{wide}}  {'std':>10}  {'forward':>10}  {'backward':>10}"]
        lines += [
            f"{r.layer:{wide}}  {r.std:10.4g}  {r.forward_norm:10.4g}  {r.backward_norm:10.4g}"
            for r in self.layers
        ]
        lines += [f"{'block':{wide}}  residual / identity"] if self.blocks else []
        return "\n".join(
            [*lines, *(f"{b.block:{wide}}  {b.residual_to_identity:19.4g}" for b in self.blocks)]
        )


def measure_responses(backbone: Backbone, images: Tensor, *, batch_statistics: bool) -> Responses:
    """Measure responses of a copy of the backbone to normalised images (B, C, H, W).

    `batch_statistics` makes batch norms use the images' statistics, which nets with random weights
    need; otherwise they use their own, as in inference. The gradient is that of one fixed random
    direction of unit length in each level's map, averaged over the images, so that nets of
    different depth can be compared without labels.
    """
    subject = copy.deepcopy(backbone).requires_grad_(True).train(batch_statistics)
    watch = _Watch(subject)
    features = subject(images)
    generator = torch.Generator().manual_seed(0)
    loss = torch.stack(
        [(_direction(x, generator) * x).sum() for x in features.values()]
    ).sum() / len(images)
    outputs = list(watch.outputs.values())
    gradients = torch.autograd.grad(loss, outputs, allow_unused=True)
    layers = tuple(
        _layer(name, x, grad)
        for name, x, grad in zip(watch.outputs, outputs, gradients, strict=True)
    )
    return Responses(backbone.passport.architecture, layers, tuple(watch.blocks))


def write_csv(responses: Responses, folder: Path) -> None:
    """Write layers.csv, and blocks.csv if the network has residual blocks."""
    for stem, rows in (("layers", responses.layers), ("blocks", responses.blocks)):
        if not rows:
            continue
        names = [field.name for field in fields(rows[0])]
        with (folder / f"{stem}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows([getattr(row, name) for name in names] for row in rows)


class _Watch:
    """Records in one forward pass the outputs of convolutions and the norms after them, and the
    branches of residual blocks.
    """

    def __init__(self, module: nn.Module) -> None:
        self.outputs: dict[str, Tensor] = {}
        self.blocks: list[BlockResponse] = []
        self._conv: tuple[str, Tensor] | None = None
        for name, child in module.named_modules():
            if isinstance(child, nn.Conv2d):
                child.register_forward_hook(partial(self._after_conv, name))
            elif isinstance(child, NORMS):
                child.register_forward_hook(self._after_norm)
            elif hasattr(child, "downsample") and hasattr(child, "conv2"):
                child.register_forward_hook(partial(self._after_block, name))

    def _after_conv(
        self, name: str, conv: nn.Module, inputs: tuple[Tensor], output: Tensor
    ) -> Tensor:
        self.outputs[name] = output
        passed_on = output.clone()  # what follows may write into it
        self._conv = name, passed_on
        return passed_on

    def _after_norm(self, norm: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
        if self._conv is None or inputs[0] is not self._conv[1]:
            return None  # a norm before its convolution
        self.outputs[self._conv[0]] = output
        return output.clone()

    def _after_block(
        self, name: str, block: nn.Module, inputs: tuple[Tensor], output: Tensor
    ) -> None:
        own = [x for key, x in self.outputs.items() if key.startswith(f"{name}.")]
        shortcut = [x for key, x in self.outputs.items() if key.startswith(f"{name}.downsample.")]
        branch = [
            x for x in own if x.shape == output.shape and all(x is not other for other in shortcut)
        ]
        residual = branch[-1]  # a squeeze-and-excitation's own convolutions have other shapes
        step = -(-inputs[0].shape[-1] // residual.shape[-1])
        identity = shortcut[-1] if shortcut else inputs[0][..., ::step, ::step]
        self.blocks.append(
            BlockResponse(
                block=name, residual_to_identity=(residual.norm() / identity.norm()).item()
            )
        )


def _direction(x: Tensor, generator: torch.Generator) -> Tensor:
    """A random direction (B, C, h, w), of unit length for each image."""
    random = torch.randn(x.shape, generator=generator).to(x)
    lengths: Tensor = random.flatten(1).norm(dim=1)
    return random / lengths.reshape(-1, 1, 1, 1)


def _layer(name: str, output: Tensor, gradient: Tensor | None) -> LayerResponse:
    backward = 0.0 if gradient is None else gradient.square().mean().sqrt().item()
    forward = output.detach().square().mean().sqrt().item()
    return LayerResponse(
        layer=name, std=output.detach().std().item(), forward_norm=forward, backward_norm=backward
    )
