"""Numbers of a training, from points made by hand."""

import pytest
from toy_study import finished, point

from studies.residual.measures import (
    MEASURES,
    early_train_error,
    epochs_to_half,
    mean_train_error,
    measured,
    of_finished,
)
from studies.residual.points import AT_THE_END, Point


def way(*errors: float | None) -> list[Point]:
    """A training that was scored after every epoch of 10 steps."""
    steps = range(1, len(errors) + 1)
    return [
        point(step=10 * epoch, epoch=float(epoch), train_error=error)
        for epoch, error in zip(steps, errors, strict=True)
    ]


def test_early_is_the_first_point_after_a_quarter_of_the_steps() -> None:
    assert early_train_error(way(80, 70, 60, 50, 40, 30, 20, 10)) == 70


def test_the_mean_is_over_the_whole_way() -> None:
    assert mean_train_error(way(80, 60, 40)) == 60


@pytest.mark.parametrize(
    ("errors", "epochs"),
    [
        ((80.0, 60.0, 40.0), 2.5),
        ((45.0, 60.0, 40.0), 1.0),
        ((80.0, 50.0), 2.0),
        ((80.0, 70.0, 60.0), 3.0),  # never
    ],
)
def test_the_time_to_half_lies_on_a_line_between_points(
    errors: tuple[float, ...], epochs: float
) -> None:
    assert epochs_to_half(way(*errors)) == epochs


def test_the_final_training_error_is_that_of_the_last_step_on_the_way() -> None:
    end = point(when=AT_THE_END, train_error=31.0, test_error=32.0)
    points = [*way(80, 30), end]
    found = {name: measure.of(points) for name, measure in MEASURES.items()}
    assert found["training error"] == 30
    assert found["training error, all images"] == 31
    assert found["test error"] == 32


def test_values_are_by_network_in_the_order_of_the_seeds() -> None:
    points = finished("plain20", 0, 10, 20) + finished("resnet20", 0, 8, 18)
    points += finished("plain20", 1, 12, 22)
    expected = {"plain20": [20, 22], "resnet20": [18]}
    assert measured(points, MEASURES["test error"]) == expected


def test_a_training_that_is_on_its_way_is_not_measured() -> None:
    assert of_finished([*way(80, 70), *finished("resnet20", 0, 8, 18)]) == finished(
        "resnet20", 0, 8, 18
    )
