"""Measure how trained nets respond.  B images of 32 x 32 pixels, or whatever the data set has."""

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
    """A finished training's folder."""

    network: str
    seed: int
    folder: Path


@dataclass(frozen=True)
class Responding:
    """A trained net, and how its layers respond."""

    net: TrainedNet
    responses: Responses


def find_nets(folder: Path, networks: tuple[str, ...]) -> list[TrainedNet]:
    """The finished trainings of a study at a budget, network by network."""
    found = []
    for network in networks:
        for path in sorted(folder.glob(f"{network}-*")):
            seed = path.name.removeprefix(f"{network}-")
            if seed.isdigit() and (path / FULL_TEST / SCORES).exists():
                found.append(TrainedNet(network, int(seed), path))
    return found


def respond(nets: list[TrainedNet], images: Tensor) -> Iterator[Responding]:
    """Responses to pixels (B, 3, H, W) uint8, with the statistics that the norms learnt."""
    for net in nets:
        backbone = last_map(net.folder / LAST)
        pixels = PixelNormalizer(backbone.passport)(images)
        yield Responding(net, measure_responses(backbone, pixels, batch_statistics=False))


def last_map(checkpoint: Path) -> Backbone:
    """The backbone of a classifier's checkpoint, giving its last map alone, so that gradients
    reach every layer from there.
    """
    trained = SavedClassifier.read(checkpoint).build(torch.device("cpu")).backbone
    passport = trained.passport
    spec = BackboneSpec(passport.architecture, levels=[trained.levels[-1].name], norm="batch")
    backbone = build(spec)
    backbone.load_state_dict(trained.state_dict())
    backbone.passport = passport
    return backbone


def read_pixels(images: StudyImages, count: int) -> Tensor:
    """So many training images (B, 3, H, W) uint8; UserError where they differ in size."""
    squares = images.pixels("train", count)
    if len({square.shape for square in squares}) > 1:
        raise UserError(f"images must have one size, got several in {images.root}")
    return torch.stack([torch.from_numpy(square).permute(2, 0, 1) for square in squares])
