"""Which images are trained on, and which are scored."""

from pathlib import Path

import class_data
import pytest

from tasks.classification.data.read_sets import Sets, read_sets
from tasks.classification.data_config import DataConfig


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return class_data.folders(tmp_path / "data")


def scored(sets: Sets) -> list[str]:
    images = sets.train_scored
    assert images is not None
    return [images.name(place) for place in range(len(images))]


def test_the_same_training_images_are_scored_with_every_seed(root: Path) -> None:
    config = DataConfig(root=str(root), train_scored=7)
    assert len(scored(read_sets(config, 0))) == 7
    assert scored(read_sets(config, 0)) == scored(read_sets(config, 1))


def test_the_seed_chooses_the_images_that_are_held_out(root: Path) -> None:
    config = DataConfig(root=str(root), holdout=6)
    one, other = read_sets(config, 0).val, read_sets(config, 1).val
    assert [one.name(place) for place in range(6)] != [other.name(place) for place in range(6)]
