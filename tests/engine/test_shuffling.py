"""A shuffled stream, and one that goes on from the oldest item that was held."""

from itertools import count

import pytest

from tasks.engine.shuffling import ShuffleBuffer


def taken_from(size: int, key: int, items: int) -> list[int]:
    buffer = ShuffleBuffer(count(), size, key)
    return [buffer.take() for _ in range(items)]


def test_every_block_is_a_permutation_of_its_own_items() -> None:
    taken = taken_from(size=5, key=1, items=40)
    blocks = [taken[start : start + 5] for start in range(0, 40, 5)]
    expected = [list(range(start, start + 5)) for start in range(0, 40, 5)]
    assert [sorted(block) for block in blocks] == expected
    orders = {tuple(item % 5 for item in block) for block in blocks}
    assert len(orders) > 5


def test_keys_give_different_orders() -> None:
    assert taken_from(size=8, key=1, items=8) != taken_from(size=8, key=2, items=8)


def test_a_buffer_of_one_item_leaves_the_order() -> None:
    assert taken_from(size=1, key=1, items=5) == [0, 1, 2, 3, 4]


def test_as_many_items_are_held_as_the_buffer_is_large() -> None:
    stream = count()
    buffer = ShuffleBuffer(stream, size=4, key=1)
    for taken in range(9):
        assert repr(stream) == f"count({4 + taken})"
        assert len(buffer.held) == 4
        buffer.take()


@pytest.mark.parametrize("taken", range(13))
def test_from_the_oldest_item_on_the_order_is_the_same(taken: int) -> None:
    """Within a block, at its end, and at the beginning; nothing older than the block is read."""
    straight = ShuffleBuffer(count(), size=4, key=3)
    for _ in range(taken):
        straight.take()
    assert taken - 4 < straight.oldest <= taken
    again = ShuffleBuffer(count(straight.oldest), size=4, key=3, taken=taken)
    assert again.oldest == straight.oldest
    assert [again.take() for _ in range(20)] == [straight.take() for _ in range(20)]
