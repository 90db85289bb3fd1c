"""Placements drawn from settings, and batches of one padded size."""

from dataclasses import replace

from tasks.vision.placement import Crop, Placement
from tasks.vision.planning import (
    draw_placement,
    evaluation_padding,
    evaluation_placement,
    same_size_batches,
    scaled_placement,
    training_padding,
)
from tasks.vision.settings import ImageDataConfig

CONFIG = ImageDataConfig(short_edge=(40, 60), long_edge=100, flip=0.25)


def test_draws_choose_edge_and_flip() -> None:
    assert draw_placement((30, 50), (0.0, 0.24, 0, 0, 0), CONFIG) == Placement((40, 67), flip=True)
    assert draw_placement((30, 50), (0.5, 0.25, 0, 0, 0), CONFIG) == Placement((60, 100))


def test_draws_choose_scale_and_place_of_a_jitter() -> None:
    jitter = replace(CONFIG, scale_jitter=(0.5, 1.5), scale_jitter_side=64)
    found = draw_placement((50, 100), (0.0, 0.9, 1.0, 0.0, 0.5), jitter)
    # a factor of 1.5: into 96 x 96 fits 48 x 96, of which a square of 64 is kept
    assert found == Placement((48, 96), Crop(0, 16, (64, 64)))


def test_evaluation_draws_nothing() -> None:
    assert evaluation_placement((30, 50), CONFIG) == Placement((60, 100))
    assert evaluation_placement((30, 50), replace(CONFIG, val_short_edge=40)).size == (40, 67)


def test_a_scale_is_a_factor_of_the_test_size() -> None:
    config = ImageDataConfig(short_edge=(48,), long_edge=64, val_short_edge=40)
    assert scaled_placement((96, 128), config, 1.0).size == (40, 53)
    assert scaled_placement((96, 128), config, 1.5).size == (60, 80)
    assert scaled_placement((96, 256), config, 0.5).size == (12, 32)  # the long edge's half


def test_padding_holds_every_image() -> None:
    sizes = [(33, 90), (64, 10)]
    assert evaluation_padding(sizes, CONFIG) == (64, 96)
    assert training_padding(sizes, CONFIG) == (64, 96)
    large = replace(CONFIG, long_edge=1000)
    assert evaluation_padding([(257, 300)], large) == (288, 320)
    assert training_padding([(257, 300)], large) == (320, 320)  # coarser, so fewer


def test_batches_hold_one_padded_size_and_the_largest_comes_first() -> None:
    placements = [Placement(size) for size in ((30, 30), (60, 90), (31, 20), (64, 65), (9, 9))]
    assert list(same_size_batches(placements, CONFIG, 2)) == [
        ((64, 96), [1, 3]),
        ((32, 32), [0, 2]),
        ((32, 32), [4]),
    ]
