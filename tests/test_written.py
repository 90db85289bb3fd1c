"""Numbers as people read them."""

import pytest

from tasks.written import duration, score_text


def test_a_score_is_percent() -> None:
    assert score_text(0.44452) == "44.45 %"
    assert score_text(float("nan")) == "n/a"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (11_100, "3 h 5 min")],
)
def test_a_time_is_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text
