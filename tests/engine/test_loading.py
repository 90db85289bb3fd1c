"""Loaders inside and outside a context that wants no workers."""

import os

from tasks.engine.loading import Loader, in_this_process


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
