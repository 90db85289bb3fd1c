"""Time training on CIFAR images against a plain torch loop that starts from the same weights.

The peer is what a torch user writes: torchvision's transforms of single PIL images in a loader, and
a contiguous network in fp32 with SGD.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from itertools import count
from statistics import median

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms import functional as single

from benchmarks.cifar import Cifar, PeerImages, peer_transform
from benchmarks.common import Goal, OutputsDifferError, Timings, interleave
from resnet_backbones.classifier import Classifier
from tasks.classification.config import ClassificationConfig
from tasks.classification.losses import ClassificationObjective
from tasks.engine.batches import Feed
from tasks.engine.distributed import World
from tasks.engine.optim import build_optimizer, peak_lr
from tasks.engine.precision import BF16_FLAGS, Precision, cpu_flags
from tasks.engine.randomness import seed_forward
from tasks.engine.step import Arithmetic, RunningStatistics, set_lr, train_step

OURS, OURS_BF16 = "ours fp32", "ours bf16"
GOALS = {OURS: 1.2, OURS_BF16: 1.9}
LOSS_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 0.02
"""Norm of the difference over the norm. Units whose input is zero up to rounding are active in one
and not in the other; each weighs about a thousandth in a gradient of noise."""
WORKERS = (0, 2)
CPU = torch.device("cpu")


def time_training(cifar: Cifar, steps: int, rounds: int) -> Timings:
    """Seconds of the steps for ours, and for the peer with each number of workers."""
    peers = {_peer_name(workers): peer_training(cifar, workers, steps) for workers in WORKERS}
    ours = {OURS: our_training(cifar, Precision("fp32", "cpu"), steps)}
    if cpu_flags() & BF16_FLAGS:
        ours[OURS_BF16] = our_training(cifar, Precision("bf16", "cpu"), steps)
    seconds = interleave(peers | ours, rounds)
    better = min(peers, key=lambda name: median(seconds[name]))
    batch = cifar.config.batch_size
    title = (
        f"training {cifar.config.model.backbone} on images of {cifar.config.augment.size} px,"
        f" batch {batch}: {steps} steps, {torch.get_num_threads()} thread(s)"
    )
    goals = tuple(Goal(name, better, factor) for name, factor in GOALS.items())
    return Timings(title, {better: seconds[better], **seconds}, goals, work=steps * batch)


def _peer_name(workers: int) -> str:
    return f"torch fp32, {workers} workers"


def our_training(cifar: Cifar, precision: Precision, steps: int) -> Callable[[], None]:
    """Run the steps as the trainer runs them."""
    config = cifar.config
    network = our_network(cifar)
    objective = our_objective(network, config)
    optimizer = build_optimizer(network, config.optim)
    statistics = RunningStatistics(network)
    arithmetic = Arithmetic(CPU, precision, config.optim.clip_norm)
    feed = Feed(cifar.batches.start(0), World(0, 0, 1, CPU))
    numbers = count()

    def train() -> None:
        for _ in range(steps):
            set_lr(optimizer, peak_lr(config.optim, config.batch_size))
            seeds = partial(seed_forward, config.run.seed, next(numbers), rank=0)
            taken = feed.take(config.optim.accumulate)
            train_step(objective, taken, optimizer, statistics, arithmetic, seeds)

    return train


def peer_training(cifar: Cifar, workers: int, steps: int) -> Callable[[], None]:
    """Run the steps in a plain loop whose loader keeps its workers between calls."""
    config = cifar.config
    network = copy.deepcopy(cifar.network).train()
    loader = DataLoader(
        PeerImages(cifar.decoded, peer_transform(config, to_network_input(config))),
        batch_size=config.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    assert len(loader) == steps
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=peak_lr(config.optim, config.batch_size),
        momentum=config.optim.momentum,
        weight_decay=config.optim.weight_decay,
    )

    def train() -> None:
        for images, labels in loader:
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return train


def our_network(cifar: Cifar) -> Classifier:
    """A copy of the network in channels_last."""
    return copy.deepcopy(cifar.network).to(memory_format=torch.channels_last)


def our_objective(network: Classifier, config: ClassificationConfig) -> ClassificationObjective:
    """The training loss of ours."""
    return ClassificationObjective(network, config.loss, config.augment).train()


def to_network_input(config: ClassificationConfig) -> Callable[[Image.Image], Tensor]:
    """torchvision's conversion of a PIL image to the network's input."""
    transform: Callable[[Image.Image], Tensor] = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(config.data.mean, config.data.std)]
    )
    return transform


def check_step(cifar: Cifar) -> str:
    """Return a line with the differences of loss and gradient on one batch; OutputsDifferError if
    they are too large.
    """
    batch = cifar.batches.batch(cifar.batches.plan(0))
    network = our_network(cifar)
    own = torch.stack(list(our_objective(network, cifar.config)(batch).values())).sum()
    peer = copy.deepcopy(cifar.network).train()
    convert = to_network_input(cifar.config)
    images = torch.stack([convert(single.to_pil_image(image)) for image in batch.images])
    theirs = F.cross_entropy(peer(images), batch.labels)
    of_loss = abs(own.item() - theirs.item()) / theirs.item()
    expected = _gradient(theirs, peer)
    of_gradient = float((_gradient(own, network) - expected).norm() / expected.norm())
    found = f"loss {of_loss:.1e} apart, gradient {of_gradient:.1e} of its norm"
    allowed = f"allowed: {LOSS_TOLERANCE:g} and {GRADIENT_TOLERANCE:g}"
    line = f"training, the same batch and weights in fp32: {found} ({allowed})"
    if not (of_loss <= LOSS_TOLERANCE and of_gradient <= GRADIENT_TOLERANCE):
        raise OutputsDifferError(line)
    return line


def _gradient(loss: Tensor, network: nn.Module) -> Tensor:
    """The gradient of all parameters as one vector."""
    parts = torch.autograd.grad(loss, list(network.parameters()))
    return torch.cat([part.flatten() for part in parts])
