"""Random operations on single images, from albumentations, torchvision and timm; a key determines
every draw.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.classification.config import AugmentConfig
from tasks.engine.randomness import Stream, mix_key
from tasks.images import Pixels
from tasks.vision.augment import Targets, build_augmenter

Operation = Callable[[Pixels, int], Pixels]
"""(image (H, W, 3), key) -> image of the same size."""


def build_operations(config: AugmentConfig, colour: Sequence[int]) -> tuple[Operation, ...]:
    """Make the operations of the settings, in order; `colour` fills areas that an operation
    uncovers.

    UserError for a policy or a file that its library cannot read.
    """
    operations: list[Operation] = []
    augmenter = build_augmenter(config.file, config.color_jitter)
    if augmenter is not None:

        def augment(image: Pixels, key: int) -> Pixels:
            changed, _ = augmenter(Targets(image), mix_key(key, Stream.COLOUR, 1))
            return changed.image

        operations.append(augment)
    if config.policy is not None:
        operations.append(_policy(config.policy, config, tuple(colour)))
    return tuple(operations)


def _policy(name: str, config: AugmentConfig, colour: tuple[int, ...]) -> Operation:
    transform = _trivial(colour) if name == "trivial" else _of_timm(name, config, colour)

    def apply(image: Pixels, key: int) -> Pixels:
        with counted_generators(mix_key(key, Stream.OPERATIONS, 0)):
            return np.asarray(transform(Image.fromarray(image)))

    return apply


def _trivial(colour: tuple[int, ...]) -> Callable[[Image.Image], Image.Image]:
    from torchvision.transforms import TrivialAugmentWide

    transform: Callable[[Image.Image], Image.Image] = TrivialAugmentWide(fill=list(colour))
    return transform


def _of_timm(
    name: str, config: AugmentConfig, colour: tuple[int, ...]
) -> Callable[[Image.Image], Image.Image]:
    from timm.data.auto_augment import augment_and_mix_transform, rand_augment_transform

    # as timm's own loader calls them
    parameters = {"translate_const": int(config.size * 0.45), "img_mean": colour}
    make = rand_augment_transform if name.startswith("rand-") else augment_and_mix_transform
    try:
        transform: Callable[[Image.Image], Image.Image] = make(name, parameters)
    except (AssertionError, KeyError, ValueError, NotImplementedError) as error:
        rule = "augment.policy must be one that timm knows, such as rand-m7-mstd0.5-inc1"
        raise UserError(f"{rule}, got {name} ({type(error).__name__}: {error})") from error
    return transform


@contextmanager
def counted_generators(key: int) -> Iterator[None]:
    """Context in which the generators of Python, NumPy and torch's CPU start from a key; at its end
    they are restored.
    """
    states = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    random.seed(key)
    np.random.seed(key % (1 << 32))
    torch.default_generator.manual_seed(key)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
