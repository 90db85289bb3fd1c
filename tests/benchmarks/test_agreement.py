"""When two detectors find the same."""

import pytest
import torch

from benchmarks.agreement import Found, check_boxes, check_confident, share_found_again
from benchmarks.common import OutputsDifferError

BOXES = [[0.0, 0, 100, 100], [200, 0, 260, 80]]


def found(
    boxes: list[list[float]] = BOXES,
    scores: tuple[float, ...] = (0.9, 0.8),
    labels: tuple[int, ...] = (0, 1),
) -> list[Found]:
    return [Found(torch.tensor(boxes).reshape(-1, 4), torch.tensor(scores), torch.tensor(labels))]


def check(one: list[Found], other: list[Found], most: int = 100) -> str:
    return check_boxes("some", one, other, threshold=0.05, most=most)


def test_boxes_in_another_order_are_the_same() -> None:
    assert "2 boxes" in check(found(), found(BOXES[::-1], (0.8, 0.9), (1, 0)))


@pytest.mark.parametrize(
    "other",
    [
        found([[0.02, 0, 100, 100], BOXES[1]]),
        found(labels=(0, 0)),
        found(scores=(0.9, 0.79)),
        found(BOXES[:1], (0.9,), (0,)),
        found([*BOXES, [5, 5, 9, 9]], (0.9, 0.8, 0.7), (0, 1, 1)),
    ],
    ids=["moved by 0.02 px", "another class", "another score", "one less", "one more"],
)
def test_a_box_without_partner_is_refused(other: list[Found]) -> None:
    with pytest.raises(OutputsDifferError, match="1 of"):
        check(found(), other)


def test_a_box_moved_by_less_than_the_tolerance_is_the_same() -> None:
    assert check(found(), found([[0.009, 0, 100, 100], BOXES[1]]))


def test_whether_a_box_as_good_as_the_threshold_is_there_does_not_count() -> None:
    assert check(found(scores=(0.9, 0.0505)), found(BOXES[:1], (0.9,), (0,)))


def test_which_box_is_the_last_of_those_kept_does_not_count() -> None:
    assert check(
        found(scores=(0.9, 0.8)), found([BOXES[0], [5, 5, 9, 9]], (0.9, 0.8), (0, 1)), most=2
    )


def test_two_detectors_that_find_nothing_prove_nothing() -> None:
    nothing = found([], (), ())
    with pytest.raises(OutputsDifferError, match="nothing was found"):
        check(nothing, nothing)


def test_the_share_found_again_counts_confident_boxes_only() -> None:
    moved = [[0.0, 0, 100, 109], [230, 0, 290, 80]]  # IoU 0.917 and 0.333
    assert share_found_again(found(), found(moved)) == (0.5, 2)
    assert share_found_again(found(scores=(0.9, 0.4)), found(moved)) == (1.0, 1)


def test_too_few_found_again_are_refused() -> None:
    assert "100.0% of 2 boxes" in check_confident("some", found(), found())
    with pytest.raises(OutputsDifferError, match=r"50\.0% of 2 boxes .* at least 85%"):
        check_confident("some", found(), found(labels=(0, 2)))


def test_a_detector_without_confidence_is_refused() -> None:
    with pytest.raises(OutputsDifferError, match="train the detector"):
        check_confident("some", found(scores=(0.4, 0.3)), found())
