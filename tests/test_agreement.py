"""What the check passes, training takes, and what it calls an error, training refuses; what `--fix`
writes passes and is taken.  Data sets are drawn by seed.
"""

from pathlib import Path
from random import Random

import pytest
from agreement import DRAWN, draw_boxes, fix_boxes, judge_boxes, refusal

FEW = 8
MANY = {"boxes": 260, "classes": 70, "labels": 70}  # 400 in all


def assert_agreement(kind: str, seed: int, root: Path) -> None:
    draw, judge = DRAWN[kind]
    words = draw(root, Random(f"{kind} {seed}"))
    found, refused = judge(words)
    assert (found is None) == (refused is None), f"check: {found}\ntraining: {refused}"


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("kind", DRAWN)
def test_check_and_training_agree(kind: str, seed: int, tmp_path: Path) -> None:
    assert_agreement(kind, seed, tmp_path / "data")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), [(kind, n) for kind in MANY for n in range(MANY[kind])])
def test_check_and_training_agree_on_400(kind: str, seed: int, tmp_path: Path) -> None:
    assert_agreement(kind, seed, tmp_path / "data")


def assert_fixed(seed: int, root: Path) -> None:
    words = draw_boxes(root, Random(f"boxes {seed}"))
    fixed: list[list[str]] = []
    if refusal(lambda: fixed.append(fix_boxes(words, root))) is not None:
        return  # a file that cannot be read at all
    if fixed[0]:
        assert judge_boxes(fixed[0]) == (None, None)


@pytest.mark.parametrize("seed", range(FEW))
def test_what_fix_writes_is_taken(seed: int, tmp_path: Path) -> None:
    assert_fixed(seed, tmp_path / "data")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_what_fix_writes_is_taken_of_100(seed: int, tmp_path: Path) -> None:
    assert_fixed(seed, tmp_path / "data")
