"""What studies share."""

import pytest

from resnet_backbones.errors import UserError
from studies.common import Spread, run_study


def test_the_deviation_is_that_of_a_sample() -> None:
    assert Spread.of([1.0, 2.0, 3.0]) == Spread(2.0, 1.0, 3)


def test_a_single_training_has_no_deviation() -> None:
    assert Spread.of([0.5]).shown() == ("0.50", "n/a")


def test_a_users_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def mistaken() -> None:
        raise UserError("seeds must be >= 1, got 0")

    with pytest.raises(SystemExit) as stopped:
        run_study(mistaken)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: seeds must be >= 1, got 0\n"


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    def broken() -> None:
        raise KeyError("box/AP")

    with pytest.raises(KeyError):
        run_study(broken)
