"""Batches of a step: every image once an epoch, one group a batch, the same for the same
arguments.
"""

import numpy as np
import pytest

from resnet_backbones.errors import UserError
from tasks.engine.sampling import batches_per_epoch, global_batch, repeated_batch


def epoch(groups: np.ndarray, batch_size: int, seed: int = 0, number: int = 0) -> np.ndarray:
    batches = batches_per_epoch(len(groups), batch_size)
    return np.stack(
        [global_batch(number * batches + i, groups, batch_size, seed) for i in range(batches)]
    )


def test_every_image_once_and_one_group_a_batch_when_groups_divide() -> None:
    groups = np.array([0] * 12 + [1] * 8)
    batches = epoch(groups, 4)
    assert sorted(batches.ravel()) == list(range(20))
    assert all(len(set(groups[batch])) == 1 for batch in batches)


def test_leftovers_mix_and_the_last_batch_is_filled_without_repeating_inside_a_batch() -> None:
    groups = np.array(
        [0] * 7 + [1] * 6
    )  # 4 + 3 and 4 + 2: two pure batches, five left over in two mixed ones
    batches = epoch(groups, 4)
    assert batches.shape == (4, 4)
    assert set(batches.ravel()) == set(range(13))
    assert all(len(set(batch)) == 4 for batch in batches)
    assert sum(len(set(groups[batch])) == 1 for batch in batches) >= 2


def test_epochs_and_seeds_differ_and_arguments_decide() -> None:
    groups = np.zeros(50, dtype=np.int64)
    assert not np.array_equal(epoch(groups, 5), epoch(groups, 5, number=1))
    assert not np.array_equal(epoch(groups, 5), epoch(groups, 5, seed=1))
    assert np.array_equal(
        global_batch(17, groups, 5, 3), global_batch(17, groups.astype(np.int8), 5, 3)
    )


def test_pure_and_mixed_batches_come_in_random_order() -> None:
    groups = np.array([0] * 40 + [1] * 40)
    firsts = [groups[epoch(groups, 4, number=number)[:, 0]] for number in range(3)]
    assert all(0 < first[:10].sum() < 10 for first in firsts)


def test_a_data_set_smaller_than_a_batch_repeats() -> None:
    batch = global_batch(5, np.zeros(3, dtype=np.int64), 8, 0)
    assert sorted(np.bincount(batch).tolist()) == [2, 3, 3]


def test_no_image_is_refused() -> None:
    with pytest.raises(UserError, match="at least one image"):
        global_batch(0, np.zeros(0, dtype=np.int64), 8, 0)


def test_an_image_comes_as_often_as_its_factor_rounded_up_or_down() -> None:
    groups, repeats = np.array([0] * 20 + [1] * 20), np.linspace(1, 3.7, 40)
    batches = batches_per_epoch(40, 4, repeats)
    assert batches == 24  # 94 images
    weights = repeats * 96 / repeats.sum()  # the last batch is filled evenly
    epochs = [
        np.bincount(
            [
                i
                for step in range(batches)
                for i in global_batch(number * batches + step, groups, 4, 7, repeats)
            ]
        )
        for number in range(200)
    ]
    assert all(
        np.all((times >= np.floor(weights)) & (times <= np.ceil(weights))) for times in epochs
    )
    assert np.abs(np.mean(epochs, axis=0) - weights).max() < 4 * 0.5 / 200**0.5
    assert any(not np.array_equal(epochs[0], times) for times in epochs[1:])


def test_repeated_images_share_batches_with_their_group() -> None:
    groups, repeats = np.array([0] * 20 + [1] * 20), np.full(40, 1.5)
    drawn = [
        groups[global_batch(step, groups, 4, 0, repeats)]
        for step in range(batches_per_epoch(40, 4, repeats))
    ]
    assert sum(len(set(batch)) > 1 for batch in drawn) <= 1


def test_without_repeats_a_batch_is_the_global_one() -> None:
    groups = np.zeros(10, dtype=np.int64)
    places, times = repeated_batch(3, groups, 4, 7, 1)
    assert places.tolist() == global_batch(3, groups, 4, 7).tolist()
    assert times.tolist() == [0] * 4


def test_repeated_images_come_once_on_each_part_of_a_batch() -> None:
    groups = np.zeros(50, dtype=np.int64)
    places, times = repeated_batch(1, groups, 12, 0, 3)
    assert places[:4].tolist() == places[4:8].tolist() == places[8:].tolist()
    assert len(set(places.tolist())) == 4
    assert times.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_a_batch_that_repeats_do_not_divide_is_cut() -> None:
    """Three times 683 images are 2,049: the last copy of one is left out of 2,048."""
    places, times = repeated_batch(0, np.zeros(5000, dtype=np.int64), 2048, 0, 3)
    assert len(places) == len(times) == 2048
    assert len(set(places.tolist())) == 683
    assert np.bincount(np.unique(places, return_counts=True)[1]).tolist() == [0, 0, 1, 682]
