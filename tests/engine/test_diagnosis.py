"""What is said of times that are made up."""

from typing import Any

import pytest

from tasks.engine.diagnosis import Diagnosis, Timing


def diagnosis(*, load: float, model: float, copy: float = 0.0, **changes: Any) -> Diagnosis:
    """Of times in milliseconds: `load` with the workers, twice that without."""
    values: dict[str, Any] = {
        "images": 16,
        "device": "cuda",
        "cores": 8,
        "stages": {"decode": 1.5 * load / 1000, "augment": 0.5 * load / 1000},
        "alone": Timing(2 * load / 1000, 100),
        "workers": 2,
        "loader": Timing(load / 1000, 100),
        "copy": Timing(copy / 1000, 100),
        "model": Timing(model / 1000, 50),
    }
    return Diagnosis(**values | changes)


def test_a_model_that_takes_longer_limits() -> None:
    assert diagnosis(load=20, model=45).verdict == (
        "the model limits: it takes 45.0 ms a batch, and the loader with 2 workers 20.0 ms;"
        " only a faster device, a smaller network or smaller images help"
    )


def test_a_loader_that_takes_longer_limits_and_more_workers_help() -> None:
    """Two workers spend 2 x 80 ms on a batch, which four do in the model's 40."""
    assert diagnosis(load=80, model=38, copy=2).verdict == (
        "loading limits: the loader with 2 workers takes 80.0 ms a batch, the model 38.0 ms;"
        " decode is 75% of loading; data.workers=4 would keep up"
    )


@pytest.mark.parametrize(
    ("stages", "way_out"),
    [
        ({"decode": 0.9, "augment": 0.1}, "keep the images decoded, or no larger than"),
        ({"decode": 0.1, "augment": 0.9}, "augment less, or train on smaller images"),
        ({"decode": 0.1, "collate": 0.9}, "train on fewer or smaller images a step"),
    ],
)
def test_where_cores_are_too_few_the_slowest_stage_is_to_do_less(
    stages: dict[str, float], way_out: str
) -> None:
    verdict = diagnosis(load=80, model=16, stages=stages).verdict
    assert f"keeping up needs 10 workers, but there are 8 cores: {way_out}" in verdict


def test_without_workers_loading_and_the_model_take_turns() -> None:
    verdict = diagnosis(load=20, model=45, workers=0).verdict
    assert verdict.endswith("loading 20.0 ms, in turn; data.workers=1 would load in parallel")


def test_no_workers_are_advised_where_there_is_no_loader() -> None:
    verdict = diagnosis(load=80, model=40, workers=None).verdict
    assert verdict.startswith("loading limits: loading takes 80.0 ms")
    assert "worker" not in verdict


def test_copying_may_limit() -> None:
    """Loading goes on meanwhile, so that it limits only where both together are faster."""
    verdict = diagnosis(load=60, model=30, copy=50).verdict
    assert verdict.startswith("copying limits: it takes 50.0 ms a batch, the model 30.0 ms")


def test_the_table_gives_milliseconds_and_images_a_second() -> None:
    rows = [line.split() for line in diagnosis(load=20, model=40).text().splitlines()]
    assert ["decode", "30.0", "533.3", "100"] in rows
    assert ["loading", "in", "one", "process", "40.0", "400.0", "100"] in rows
    assert ["loading", "with", "2", "workers", "20.0", "800.0", "100"] in rows
    assert ["copy", "to", "cuda", "0.0", "-", "100"] in rows
    assert ["model", "on", "cuda", "40.0", "400.0", "50"] in rows
