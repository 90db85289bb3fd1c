"""Charts of a data set: every number is in the page."""

import re

import numpy as np
import pytest

from tasks.report.checks.charts import (
    MANY,
    ClassBar,
    class_bars,
    common_sizes,
    image_size_chart,
    size_chart,
)

RED = (255, 0, 0)


def test_bars_are_as_long_as_their_share_of_the_longest() -> None:
    bars = [ClassBar("<cat>", 8, "8", RED), ClassBar("dog", 2, "2", RED)]
    made = class_bars("objects", [*bars, ClassBar("yak", 0, "0", RED)])
    assert re.findall(r"width:([\d.]+)%", made) == ["100.00", "25.00"]
    assert re.findall(r"<li><span>([^<]*)</span><span>(\d+)</span>", made) == [
        ("&lt;cat&gt;", "8"),
        ("dog", "2"),
        ("yak", "0"),
    ]


@pytest.mark.parametrize(("classes", "scrolls"), [(MANY, False), (MANY + 1, True)])
def test_many_bars_scroll_in_their_frame(classes: int, scrolls: bool) -> None:
    made = class_bars("objects", [ClassBar("a", 1, "1", RED)] * classes)
    assert ('class="many"' in made) == scrolls


def test_sizes_are_counted_between_roots_of_two() -> None:
    made = size_chart("sizes", np.array([0.2, 1.0, 5.0, 6.0, 8.0]), (4.0,), "pixels", "a note")
    counted = re.findall("<title>(.*?)</title>", made)
    assert counted == [
        "1 to 1 pixels: 2",  # from 1 to 1.41; what is smaller counts as 1
        "1 to 2 pixels: 0",
        "2 to 3 pixels: 0",
        "3 to 4 pixels: 0",
        "4 to 6 pixels: 1",  # 5, below 5.66
        "6 to 8 pixels: 2",  # the last part has its end
    ]


def test_a_mark_beyond_all_sizes_is_in_the_chart() -> None:
    made = size_chart("sizes", np.array([8.0, 16.0]), (4.0, 64.0), "pixels", "")
    places = [float(x) for x in re.findall(r'd="M([\d.]+) 24V', made)]
    bars = [float(x) for x in re.findall(r'<rect x="([\d.]+)"', made)]
    assert places[0] == min(bars) - 0.5
    assert places[1] > max(bars)


def test_a_single_size_is_drawn() -> None:
    made = size_chart("sizes", np.array([4.0]), (4.0,), "pixels", "")
    assert re.findall("<title>(.*?)</title>", made) == ["4 to 6 pixels: 1", "6 to 8 pixels: 0"]


def test_images_of_about_one_size_share_a_dot_whose_area_counts_them() -> None:
    sizes = np.array([[30, 40]] * 4 + [[10, 40]])
    made = image_size_chart("image sizes", sizes, "")
    assert re.findall("<title>(.*?)</title>", made) == ["about 40x30: 4", "about 40x10: 1"]
    large, small = (float(radius) for radius in re.findall(r' r="([\d.]+)"', made))
    assert large == pytest.approx(2 * small)


def test_common_sizes_are_width_by_height() -> None:
    sizes = [(480, 640)] * 3 + [(640, 480)]
    expected = "2 sizes; most common, as width x height: 640x480 (75 %), 480x640 (25 %)"
    assert common_sizes(sizes) == expected
