"""Findings in a page: where the mark is, and how many are seen."""

from pathlib import Path

import numpy as np
import pytest
from planted_defects import picture

from tasks.boxes import Box
from tasks.datasets.findings import Finding
from tasks.images import Pixels
from tasks.report.checks.findings import (
    LISTED,
    MARK,
    OF_A_KIND,
    OPEN,
    RING,
    SIDE,
    findings_of_a_kind,
    marked,
)

BLANK = np.full((SIDE // 2, SIDE, 3), 200, np.uint8)


def extent(pixels: Pixels) -> tuple[int, int, int, int]:
    """First and last column and row of the mark."""
    rows, columns = np.nonzero((pixels == MARK).all(axis=2))
    return columns.min(), columns.max(), rows.min(), rows.max()


def found(number: int, image: Path | None = None) -> Finding:
    return Finding(
        kind="tiny box",
        severity="warning",
        file="gt.json",
        record=f"annotation {number}",
        rule="a rule",
        way_out="a way out",
        image=image,
    )


def test_a_box_is_outlined_where_it_is() -> None:
    assert extent(marked(BLANK, (50, 20, 100, 80))) == (50, 150, 20, 100)


def test_a_box_of_a_larger_image_is_outlined_at_its_scale() -> None:
    image = np.full((SIDE, 2 * SIDE, 3), 200, np.uint8)
    assert extent(marked(image, (100, 40, 200, 160))) == (50, 150, 20, 100)


@pytest.mark.parametrize("box", [(60, 70, 0, 0), (65, 75, -10, -10), (55, 65, 10, 10)])
def test_a_ring_shows_a_small_or_degenerate_box(box: Box) -> None:
    assert extent(marked(BLANK, box)) == (60 - RING, 60 + RING, 70 - RING, 70 + RING)


def test_the_ring_of_a_box_outside_is_at_the_rim() -> None:
    left, right, _, bottom = extent(marked(BLANK, (1e300, 70, 1e300, 5)))
    assert SIDE - 2 * RING <= left < right < SIDE
    assert bottom < SIDE // 2


def test_without_a_box_the_image_is_as_it_was() -> None:
    np.testing.assert_array_equal(marked(BLANK, None), BLANK)


def test_some_findings_are_open_some_folded_and_the_rest_counted(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    listed = [found(number, tmp_path / "a.png") for number in range(LISTED + 7)]
    made = findings_of_a_kind("tiny box", listed, "apply")
    opened, folded = made.split("<details>")
    assert opened.count("<img ") == OF_A_KIND
    assert opened.count("<li>") == OPEN
    assert folded.count("<li>") == LISTED - OPEN
    assert "and 7 that are not listed" in folded
