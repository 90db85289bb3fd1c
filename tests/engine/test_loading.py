"""Loaders inside and outside a context that wants no workers."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import pytest

from resnet_backbones.errors import UserError
from tasks.engine.loading import Loader, Share, in_this_process, read_in_turn


def process_of(plan: int) -> int:
    return os.getpid()


def test_in_this_process_a_loader_starts_no_workers_and_says_how_many_it_has() -> None:
    loader = Loader(process_of, workers=1)
    with in_this_process() as loaders:
        assert list(loader.batches([0])) == [os.getpid()]
    assert loaders.workers == 1
    assert list(loader.batches([0])) != [os.getpid()]


def test_where_no_loader_loads_there_are_no_workers_to_tell_of() -> None:
    with in_this_process() as loaders:
        pass
    assert loaders.workers is None


@dataclass(frozen=True)
class Numbers:
    """(name, number, process) without end, or until a mistake."""

    name: str
    mistake_at: int = -1

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        for number in count():
            if number == self.mistake_at:
                raise UserError(f"{self.name} cannot go on")
            yield self.name, number, os.getpid()


def numbers() -> tuple[list[str], int]:
    """The first of two streams, and in how many processes they were counted."""
    found = list(islice(read_in_turn([Numbers("a"), Numbers("b")], 2, Share()), 5))
    return [f"{name}{number}" for name, number, _ in found], len({one[2] for one in found})


def test_streams_take_turns() -> None:
    assert numbers() == (["a0", "b0", "a1", "b1", "a2"], 2)


def test_streams_take_the_same_turns_in_this_process() -> None:
    with in_this_process() as loaders:
        assert numbers() == (["a0", "b0", "a1", "b1", "a2"], 1)
    assert loaders.workers == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_user_can_mend_ends_a_stream_with_one_sentence(workers: int) -> None:
    stream = read_in_turn([Numbers("a", mistake_at=2)], workers, Share())
    assert len(list(islice(stream, 2))) == 2
    with pytest.raises(UserError, match=r"^a cannot go on$"):
        next(stream)
