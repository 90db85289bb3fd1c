"""Lines of right, wrong and missed boxes: told apart by colour, by lightness and by dashes."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tasks.outcomes import GAP, LOOKS, MEANINGS, Look, Outcome, draw_outline


def drawn(look: Look, width: int = 2) -> np.ndarray:
    """A gray square of 60 pixels with an outline from 10 to 49."""
    picture = Image.new("RGB", (60, 60), (128, 128, 128))
    draw_outline(ImageDraw.Draw(picture, "RGBA"), (10, 10, 49, 49), look, width)
    return np.asarray(picture)


def test_every_outcome_has_a_look_and_a_meaning() -> None:
    assert set(LOOKS) == set(MEANINGS) == set(Outcome)


def test_the_lines_of_right_wrong_and_missed_differ_without_their_colours() -> None:
    lines = [LOOKS[each].line for each in (Outcome.RIGHT, Outcome.WRONG, Outcome.MISSED)]
    assert lines == ["solid", "dashed", "dotted"]


def test_the_colours_differ_in_lightness() -> None:
    """Luma of Rec. 601, which a print in gray shows; 20 of 255 are told apart easily."""
    looks = [LOOKS[each] for each in (Outcome.RIGHT, Outcome.WRONG, Outcome.MISSED)]
    luma = [np.dot(look.color, (0.299, 0.587, 0.114)) for look in looks]
    assert min(abs(a - b) for a, b in itertools.combinations(luma, 2)) > 20


def test_a_solid_line_has_no_gaps() -> None:
    assert (drawn(Look((9, 8, 7)))[10:12, 10:50] == (9, 8, 7)).all()


def test_dashes_and_dark_gaps_take_turns() -> None:
    """Dashes of 3 and gaps of 2 widths of 2 pixels, from the corner on."""
    top = drawn(Look((9, 8, 7), (3, 2)))[10, 10:50]
    is_dash = (top == (9, 8, 7)).all(axis=1)
    assert is_dash[:20].tolist() == ([True] * 6 + [False] * 4) * 2
    assert (top[~is_dash][0] == GAP).all()


@pytest.mark.parametrize("look", [Look((9, 8, 7)), Look((9, 8, 7), (3, 2))])
def test_the_inside_of_a_box_is_left_as_it_is(look: Look) -> None:
    assert (drawn(look)[12:48, 12:48] == 128).all()
