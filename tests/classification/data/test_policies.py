"""Random operations of other libraries, drawn by keys."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.classification.config import AugmentConfig
from tasks.classification.data.policies import build_operations, counted_generators

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
POLICIES = ["trivial", "rand-m7-n2-mstd0.5-inc1", "augmix-m3-w3"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_key_gives_one_picture_whatever_was_drawn_before(policy: str) -> None:
    (operation,) = build_operations(AugmentConfig(policy=policy), (124, 116, 104))
    first = operation(IMAGE, 5)
    random.random()
    torch.rand(3)
    assert (operation(IMAGE, 5) == first).all()
    others = [operation(IMAGE, key) for key in range(6, 26)]
    assert any((other != first).any() for other in others)


@pytest.mark.parametrize("policy", POLICIES)
def test_generators_go_on_as_if_nothing_had_been_drawn(policy: str) -> None:
    (operation,) = build_operations(AugmentConfig(policy=policy), (124, 116, 104))
    random.seed(1)
    torch.manual_seed(1)
    expected = (random.random(), torch.rand(1))
    random.seed(1)
    torch.manual_seed(1)
    operation(IMAGE, 5)
    assert (random.random(), torch.rand(1)) == expected


def test_counted_generators_are_restored_after_an_error() -> None:
    random.seed(1)
    state = random.getstate()
    with pytest.raises(KeyError), counted_generators(3):
        raise KeyError
    assert random.getstate() == state


def test_trivial_augment_is_torchvisions() -> None:
    from torchvision.transforms import TrivialAugmentWide

    from tasks.engine.randomness import Stream, mix_key

    (operation,) = build_operations(AugmentConfig(policy="trivial"), (1, 2, 3))
    for key in range(5):
        torch.manual_seed(mix_key(key, Stream.OPERATIONS, 0))
        theirs = TrivialAugmentWide(fill=[1, 2, 3])(Image.fromarray(IMAGE))
        assert (operation(IMAGE, key) == np.asarray(theirs)).all()


def test_unknown_policy_names_one_that_is_known() -> None:
    with pytest.raises(UserError, match=r"such as rand-m7-mstd0\.5-inc1, got rand-q7"):
        build_operations(AugmentConfig(policy="rand-q7"), (0, 0, 0))
