"""Time ResNet feature maps against torchvision and timm with the same weights: forward pass and
training step.

The peers run as their users start them, in fp32 and NCHW. Ours runs in channels_last, in fp32 and
in bf16 autocast, and folds its norms for inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.common import Goal, OutputsDifferError, Report, Timings, interleave
from resnet_backbones.fold import fold_norms
from resnet_backbones.registry import create_backbone

LEVELS = ("c2", "c3", "c4", "c5")
PEER, OURS, OURS_BF16, COMPILED = "torchvision", "ours fp32", "ours bf16", "ours bf16 compiled"
FORWARD_GOALS = Goal(OURS, PEER, 1.3), Goal(OURS_BF16, PEER, 2.3), Goal(COMPILED, PEER, 2.7)
TRAINING_GOALS = Goal(OURS, PEER, 1.15), Goal(OURS_BF16, PEER, 1.9)
TOLERANCE = {"fp32": 1e-4, "bf16": 0.1}  # norm of the difference over the norm of the level

Network = Callable[[Tensor], list[Tensor]]  # images (B, 3, H, W) to the four levels


@dataclass(frozen=True, kw_only=True)
class BackboneSettings:
    """Network, images and numbers of rounds."""

    backbone: str
    size: int
    batch: int
    compile: bool
    rounds: int


@dataclass(frozen=True)
class Variant:
    """A network with its precision and memory format."""

    name: str
    module: nn.Module
    bf16: bool = False
    compiled: bool = False
    ours: bool = True

    def images(self, images: Tensor) -> Tensor:
        """The images in this variant's memory format."""
        return images.contiguous(memory_format=torch.channels_last) if self.ours else images

    def network(self, *, training: bool) -> Network:
        """The network as a function from images to levels, in training or evaluation mode."""
        module = self.module.train() if training else self.module.eval()
        if self.ours and not training:
            module = fold_norms(module)
        call = torch.compile(module, dynamic=False) if self.compiled else module

        def levels(images: Tensor) -> list[Tensor]:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
                found = call(images)
            values: Iterable[Tensor] = found.values() if isinstance(found, Mapping) else found
            return list(values)

        return levels


def run(settings: BackboneSettings) -> Report:
    """Compare the feature maps, then time forward pass and training step; OutputsDifferError if
    they differ.
    """
    images = torch.randn(
        settings.batch, 3, settings.size, settings.size, generator=torch.Generator().manual_seed(0)
    )
    variants = make_variants(settings)
    checks = [check_equal(variants, images, training=training) for training in (False, True)]
    forward = interleave({one.name: _forward(one, images) for one in variants}, settings.rounds)
    training = interleave({one.name: _training(one, images) for one in variants}, settings.rounds)
    what = f"{settings.backbone}, {settings.size} px, batch {settings.batch}"
    return Report(
        "backbones",
        "Backbones",
        tuple(checks),
        (
            Timings(f"forward, {what}", forward, FORWARD_GOALS, work=settings.batch),
            Timings(f"training step, {what}", training, TRAINING_GOALS, work=settings.batch),
        ),
        (
            (
                "Levels c2 to c5 of all, batch norm, no classifier; the loss is the mean square of"
                " the last level."
            ),
        ),
    )


def make_variants(settings: BackboneSettings) -> list[Variant]:
    """Make the peers, and ours in each precision, each with its own network; all share weights."""
    import timm
    from torchvision import models
    from torchvision.models._utils import IntermediateLayerGetter

    places = {f"layer{place}": level for place, level in enumerate(LEVELS, start=1)}
    theirs = IntermediateLayerGetter(models.get_model(settings.backbone, weights=None), places)
    timms = timm.create_model(settings.backbone, features_only=True, out_indices=(1, 2, 3, 4))
    variants = [
        Variant("torchvision", theirs, ours=False),
        Variant("timm features_only", timms, ours=False),
        *(_our_variant(settings.backbone, bf16=bf16, compiled=False) for bf16 in (False, True)),
    ]
    if settings.compile:
        variants += [
            _our_variant(settings.backbone, bf16=bf16, compiled=True) for bf16 in (False, True)
        ]
    state = random_state(variants[0].module.state_dict())
    for variant in variants:
        variant.module.load_state_dict(state)
    return variants


def _our_variant(backbone: str, *, bf16: bool, compiled: bool) -> Variant:
    module = create_backbone(backbone).to(memory_format=torch.channels_last)
    name = f"ours {'bf16' if bf16 else 'fp32'}{' compiled' if compiled else ''}"
    return Variant(name, module, bf16=bf16, compiled=compiled)


def random_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Random weights and statistics that keep the values of every level in an ordinary range."""
    generator = torch.Generator().manual_seed(0)
    drawn = dict(state)
    for name, value in state.items():
        if name.endswith("running_var"):
            drawn[name] = 0.5 + torch.rand(value.shape, generator=generator)
        elif name.endswith("bn3.weight"):
            drawn[name] = torch.full_like(value, 0.2)
        elif value.dim() == 4:
            fan = value[0].numel()
            drawn[name] = torch.randn(value.shape, generator=generator) * (2 / fan) ** 0.5
    return drawn


def _forward(variant: Variant, images: Tensor) -> Callable[[], None]:
    network = variant.network(training=False)
    given = variant.images(images)

    def forward() -> None:
        with torch.no_grad():
            network(given)

    return forward


def _training(variant: Variant, images: Tensor) -> Callable[[], None]:
    network = variant.network(training=True)
    given = variant.images(images)
    optimizer = torch.optim.SGD(variant.module.parameters(), lr=0.0, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        network(given)[-1].float().square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def check_equal(variants: list[Variant], images: Tensor, *, training: bool) -> str:
    """Return a line with the largest differences; OutputsDifferError names the variant and level if
    one is too large.
    """
    with torch.no_grad():
        expected = variants[0].network(training=training)(images)
        worst = {"fp32": 0.0, "bf16": 0.0}
        for variant in variants[1:]:
            kind = "bf16" if variant.bf16 else "fp32"
            found = variant.network(training=training)(variant.images(images))
            for name, one, other in zip(LEVELS, expected, found, strict=True):
                difference = float((one - other.float()).norm() / one.norm())
                if not difference <= TOLERANCE[kind]:
                    mode = "training" if training else "evaluation"
                    raise OutputsDifferError(
                        f"{variant.name}, {name} in {mode} mode: differs by {difference:.3g} of its"
                        f" norm, allowed are {TOLERANCE[kind]:g}"
                    )
                worst[kind] = max(worst[kind], difference)
    shown = ", ".join(
        f"{kind} {value:.1e} (allowed: {TOLERANCE[kind]:g})" for kind, value in worst.items()
    )
    return (
        f"levels in {'training' if training else 'evaluation'} mode, norm of the difference over"
        f" norm: {shown}"
    )
