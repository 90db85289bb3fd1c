"""Seconds of loading by stage."""

import io

import pytest
from PIL import Image

from tasks.images import decode
from tasks.stages import StageClock, in_order, stage, timing_stages


def test_an_inner_stage_is_not_counted_for_the_outer() -> None:
    times = iter([0.0, 1.0, 3.0, 7.0, 15.0])  # begin, into both, out of both
    clock = StageClock(lambda: next(times))
    with clock.inside("augment"), clock.inside("decode"):
        pass
    assert clock.seconds == {"collate": 1.0, "augment": 2.0 + 8.0, "decode": 4.0}


def test_a_stage_that_fails_ends() -> None:
    with timing_stages() as seconds:
        with pytest.raises(ValueError, match="damaged"), stage("decode"):
            raise ValueError("damaged")
        before = seconds["decode"]
        with stage("augment"):
            pass
    assert seconds["decode"] == before


def test_nothing_is_counted_once_timing_is_over() -> None:
    with timing_stages() as seconds, stage("decode"):
        pass
    counted = dict(seconds)
    with stage("decode"):
        pass
    assert seconds == counted


def test_decoding_is_a_stage_whoever_asks_for_it() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    with timing_stages() as seconds:
        decode(file.getvalue())
    assert seconds["decode"] > 0


def test_stages_come_in_the_order_of_an_images_way() -> None:
    assert in_order(["collate", "augment", "mix", "decode"]) == [
        "decode",
        "augment",
        "mix",
        "collate",
    ]
