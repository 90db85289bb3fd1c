"""Measure the layer responses of trained nets.  B images of the data set's own size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from resnet_backbones.analysis.responses import Responses, measure_responses
from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import PixelNormalizer
from studies.residual.one_run import SCORES
from studies.residual.points import FULL_TEST
from studies.residual.subsets import StudyImages
from tasks.classification.saved import SavedClassifier
from tasks.engine.run_files import LAST


@dataclass(frozen=True)
class TrainedNet:
    """A finished training."""

    network: str
    seed: int
    folder: Path


@dataclass(frozen=True)
class Responding:
    """A trained net and the responses of its layers."""

    net: TrainedNet
    responses: Responses


def find_nets(folder: Path, networks: tuple[str, ...]) -> list[TrainedNet]:
    """Finished trainings below `folder`, network by network."""
    found = []
    for network in networks:
        for path in sorted(folder.glob(f"{network}-*")):
            seed = path.name.removeprefix(f"{network}-")
            if seed.isdigit() and (path / FULL_TEST / SCORES).exists():
                found.append(TrainedNet(network, int(seed), path))
    return found


def respond(nets: list[TrainedNet], images: Tensor) -> Iterator[Responding]:
    """Measure responses to pixels (B, 3, H, W) uint8, with the running statistics of the norms."""
    for net in nets:
        backbone = last_map(net.folder / LAST)
        pixels = PixelNormalizer(backbone.passport)(images)
        yield Responding(net, measure_responses(backbone, pixels, batch_statistics=False))


def last_map(checkpoint: Path) -> Backbone:
    """Load the backbone of a classifier with its last feature map as the only output, so that
    gradients start there.
    """
    trained = SavedClassifier.read(checkpoint).build(torch.device("cpu")).backbone
    passport = trained.passport
    spec = BackboneSpec(passport.architecture, levels=[trained.levels[-1].name], norm="batch")
    backbone = build(spec)
    backbone.load_state_dict(trained.state_dict())
    backbone.passport = passport
    return backbone


def read_pixels(images: StudyImages, count: int) -> Tensor:
    """Read `count` training images as (B, 3, H, W) uint8; UserError if their sizes differ."""
    squares = images.pixels("train", count)
    if len({square.shape for square in squares}) > 1:
        raise UserError(f"images must have one size, got several in {images.root}")
    return torch.stack([torch.from_numpy(square).permute(2, 0, 1) for square in squares])
