"""Time batches of CIFAR images against torchvision's transforms of single PIL images.

B images of a batch, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.transforms import functional as single

from benchmarks.common import ROOT, Goal, OutputsDifferError, Timings, interleave
from resnet_backbones.classifier import Classifier
from tasks.classification.build import build_classifier
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.decoded import DecodedBatches, DecodedImages
from tasks.classification.data.draws import Plan
from tasks.classification.network import mean_colour
from tasks.datasets.class_images.class_images import ClassImages
from tasks.datasets.class_images.store import ArrayStore
from tasks.engine.config import load_config
from tasks.engine.loading import Share
from tasks.engine.randomness import Stream, uniform
from tasks.engine.start import Start
from tasks.labels import LabelMap

RECIPE = ROOT / "configs" / "cifar_resnet20.yaml"
CLASSES = tuple(f"class {number}" for number in range(10))
OURS, PEER = "ours", "torchvision"
GOAL = 5.0


@dataclass(frozen=True)
class Cifar:
    """Images of CIFAR's size, and a network with random weights to train on them."""

    config: ClassificationConfig
    batches: DecodedBatches
    network: Classifier
    """Contiguous network; each variant trains a copy."""

    @property
    def decoded(self) -> DecodedImages:
        """The decoded images."""
        return self.batches.decoded

    @property
    def colour(self) -> tuple[int, int, int]:
        """Colour of the border."""
        return mean_colour(self.network.backbone.passport)


class PeerImages(Dataset[tuple[Tensor, int]]):
    """The images as a dataset like torchvision.datasets.CIFAR10."""

    def __init__(self, decoded: DecodedImages, transform: Callable[[Image.Image], Tensor]) -> None:
        self.pixels = decoded.pixels.numpy()
        self.labels: list[int] = decoded.labels.tolist()
        self.transform = transform

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[place])), self.labels[place]

    def __len__(self) -> int:
        return len(self.labels)


def peer_transform(
    config: ClassificationConfig, *last: Callable[[Image.Image], Tensor]
) -> Callable[[Image.Image], Tensor]:
    """Transforms of torchvision's first version: random crop of the padded image, flip, and the
    last ones given.
    """
    augment = config.augment
    crop = transforms.RandomCrop(augment.size, padding=augment.pad)
    transform: Callable[[Image.Image], Tensor] = transforms.Compose(
        [crop, transforms.RandomHorizontalFlip(augment.flip), *last]
    )
    return transform


def draw_cifar(images: int, batch: int) -> Cifar:
    """Random images and labels, which take as long as photographs."""
    overrides = [f"data.batch_size={batch}"]
    config: ClassificationConfig = load_config(ClassificationConfig, RECIPE, overrides)
    side = config.augment.size
    generator = torch.Generator().manual_seed(0)
    shape = (images, side, side, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, len(CLASSES), (images,), generator=generator)
    label_map = LabelMap(CLASSES, CLASSES)
    store = ArrayStore("noise", pixels.numpy())
    listed = ClassImages(Path("noise"), store, labels.numpy(), label_map, ())
    torch.manual_seed(0)
    network, _ = build_classifier(config, label_map, Start(None))
    colour = mean_colour(network.backbone.passport)
    decoded = DecodedImages(listed, pixels, labels)
    return Cifar(config, DecodedBatches.of(decoded, config, Share(), colour), network)


def time_augmentation(cifar: Cifar, steps: int, rounds: int) -> Timings:
    """Seconds to make the batches of `steps` steps, as bytes (B, 3, H, W)."""
    config = cifar.config.augment
    batch = cifar.config.batch_size
    images = PeerImages(cifar.decoded, peer_transform(cifar.config, transforms.PILToTensor()))
    numbers = count()

    def ours() -> None:
        for _ in range(steps):
            cifar.batches.batch(cifar.batches.plan(next(numbers)))

    def theirs() -> None:
        order = torch.randperm(len(images)).tolist()
        for start in range(0, len(order), batch):
            torch.stack([images[place][0] for place in order[start : start + batch]])

    seconds = interleave({PEER: theirs, OURS: ours}, rounds)
    title = f"crop and flip of {config.size} px to a batch of {batch}: {steps} batches, 1 thread"
    goal = Goal(OURS, PEER, GOAL)
    return Timings(title, seconds, (goal,), work=steps * batch)


def check_augmentation(cifar: Cifar) -> str:
    """Return a line that says that our batch equals torchvision's for the same random draws;
    OutputsDifferError otherwise.
    """
    plan = cifar.batches.plan(0)
    found = cifar.batches.batch(plan).images
    for row, expected in enumerate(torchvision_squares(cifar, plan)):
        if not torch.equal(found[row], expected):
            different = int((found[row] != expected).sum())
            rule = "crop and flip must be equal to the last bit, given the same draws"
            raise OutputsDifferError(f"{rule}, but {different} values of image {row} are not")
    return f"augmentation: {len(found)} images are equal to the last bit, given the same draws"


def torchvision_squares(cifar: Cifar, plan: Plan) -> list[Tensor]:
    """The images (3, H, W) of a batch, padded with our colour, then cropped and flipped by
    torchvision as we drew it.
    """
    config = cifar.config.augment
    squares = []
    draws = uniform(torch.from_numpy(plan.keys), Stream.PLACEMENT, 3).tolist()
    for place, (flip, x, y) in zip(plan.places.tolist(), draws, strict=True):
        image = Image.fromarray(cifar.decoded.pixels[place].numpy())
        padded = single.pad(image, config.pad, fill=cifar.colour)
        left = int(x * (padded.width - config.size + 1))
        top = int(y * (padded.height - config.size + 1))
        square = single.crop(padded, top, left, config.size, config.size)
        square = single.hflip(square) if flip < config.flip else square
        squares.append(single.pil_to_tensor(square))
    return squares
