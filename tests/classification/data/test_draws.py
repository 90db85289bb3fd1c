"""What is drawn for a step: bounds, laws and independence of everything but the key."""

import numpy as np
import pytest
import torch

from tasks.classification.config import AugmentConfig
from tasks.classification.data.draws import (
    LIGHTING_COLOURS,
    LIGHTING_VALUES,
    NO_BOX,
    Mix,
    draw_erased,
    draw_mix,
    draw_plan,
    draw_tints,
)

KEYS = np.arange(1, 4001, dtype=np.int64) * 7919


def test_plan_is_a_function_of_the_step() -> None:
    config = AugmentConfig(mixup=0.2, cutmix=1.0, repeats=2)
    first, again = (draw_plan(5, 50, 12, 3, config) for _ in range(2))
    assert first.places.tolist() == again.places.tolist()
    assert first.keys.tolist() == again.keys.tolist()
    assert first.mix == again.mix
    assert draw_plan(6, 50, 12, 3, config).mix != first.mix


def test_copies_of_an_image_have_keys_of_their_own() -> None:
    plan = draw_plan(0, 50, 12, 0, AugmentConfig(repeats=3))
    assert len(set(plan.places.tolist())) == 4
    assert len(set(plan.keys.tolist())) == 12


def test_nothing_is_mixed_where_nothing_is_set() -> None:
    assert draw_mix(1, AugmentConfig()) == Mix(1.0, NO_BOX)


def test_mixup_is_drawn_from_beta() -> None:
    blends = np.array([draw_mix(int(key), AugmentConfig(mixup=0.2)).blend for key in KEYS])
    assert blends.mean() == pytest.approx(0.5, abs=0.03)
    assert blends.var() == pytest.approx(0.25 / (2 * 0.2 + 1), abs=0.01)  # of Beta(a, a)


def test_cutmix_pastes_squares_cut_at_the_border() -> None:
    config = AugmentConfig(cutmix=1.0, size=32)
    boxes = np.array([draw_mix(int(key), config).pasted for key in KEYS])
    widths = boxes[:, 2] - boxes[:, 0]
    assert boxes.min() >= 0
    assert boxes.max() <= 32
    assert widths.max() <= 32
    centres_inside = (boxes[:, 0] > 0) & (boxes[:, 2] < 32)
    inside_too = (boxes[:, 1] > 0) & (boxes[:, 3] < 32)
    whole = boxes[centres_inside & inside_too]
    assert (whole[:, 2] - whole[:, 0] == whole[:, 3] - whole[:, 1]).all()


def test_one_of_mixup_and_cutmix_at_even_odds() -> None:
    config = AugmentConfig(mixup=0.2, cutmix=1.0)
    mixes = [draw_mix(int(key), config) for key in KEYS]
    assert np.mean([mix.pasted == NO_BOX for mix in mixes]) == pytest.approx(0.5, abs=0.04)
    assert all(mix.blend == 1.0 or mix.pasted == NO_BOX for mix in mixes)


def test_erased_rectangles_have_torchvisions_area_and_ratio() -> None:
    boxes = draw_erased(KEYS[:500], AugmentConfig(erase=0.25, size=100)).numpy()
    filled = boxes[boxes[:, 2] > 0]
    assert len(filled) / 500 == pytest.approx(0.25, abs=0.06)
    heights = filled[:, 3] - filled[:, 1]
    widths = filled[:, 2] - filled[:, 0]
    assert (heights * widths / 1e4).min() > 0.015
    assert (heights * widths / 1e4).max() < 0.345
    assert (heights / widths).max() < 3.6


def test_cutouts_are_squares_clipped_at_the_border() -> None:
    boxes = draw_erased(KEYS, AugmentConfig(cutout=8, size=32))
    widths = boxes[:, 2] - boxes[:, 0]
    assert widths.max() == 8
    assert boxes.min() == 0
    assert boxes.max() == 32
    assert widths.min() == 4  # its centre lies in the image


def test_tints_are_alexnets() -> None:
    """Their covariance is that of the principal colours: P diag((0.1 v)^2) P^T."""
    tints = draw_tints(KEYS, AugmentConfig(lighting=0.1)).numpy()
    expected = LIGHTING_COLOURS @ np.diag((0.1 * LIGHTING_VALUES) ** 2) @ LIGHTING_COLOURS.T
    assert np.abs(tints.mean(0)).max() < 1e-3
    np.testing.assert_allclose(np.cov(tints.T), expected, atol=0.1 * expected.max())
    assert torch.equal(draw_tints(KEYS, AugmentConfig()), torch.zeros(len(KEYS), 3))


def test_principal_colours_are_orthonormal() -> None:
    np.testing.assert_allclose(LIGHTING_COLOURS.T @ LIGHTING_COLOURS, np.eye(3), atol=1e-3)
