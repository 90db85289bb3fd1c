"""Every shipped recipe resolves to its committed snapshot, so that a changed default cannot
silently change a recipe.

After an intended change: `UPDATE_SNAPSHOTS=1 python -m pytest tests/test_config_snapshots.py`, then
read the diff.
"""

import itertools
import os
from pathlib import Path
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

from tasks.classification.config import ClassificationConfig
from tasks.detection.config import DetectionConfig
from tasks.engine.config import load_config, to_dict, to_yaml
from tasks.engine.config_text import read_yaml
from tasks.engine.nested_values import flatten
from tasks.segmentation.config import SegmentationConfig

TESTS = Path(__file__).parent
CONFIGS = sorted((TESTS.parent / "configs").glob("*.yaml"))
Settings = ClassificationConfig | DetectionConfig | SegmentationConfig
CLASSES: dict[str, type[Settings]] = {
    "classification": ClassificationConfig,
    "detection": DetectionConfig,
    "segmentation": SegmentationConfig,
}


def settings_class(path: Path) -> type[Settings]:
    """The settings of the recipe's task."""
    return CLASSES[read_yaml(path)["task"]]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_resolved_config_equals_its_snapshot(path: Path) -> None:
    resolved = to_yaml(load_config(settings_class(path), path, []))
    snapshot = TESTS / "snapshots" / path.name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(resolved)
    assert snapshot.is_file(), f"no snapshot of {path.name}; {__doc__}"
    assert resolved == snapshot.read_text()


def test_every_snapshot_is_of_a_shipped_config() -> None:
    assert {path.name for path in (TESTS / "snapshots").iterdir()} == {
        path.name for path in CONFIGS
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_holds_only_what_differs_from_the_defaults(path: Path) -> None:
    stated = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(path)))
    resolved = dict(flatten(to_dict(load_config(settings_class(path), path, []))))
    defaults = dict(flatten(to_dict(settings_class(path)())))
    same = [key for key, _ in flatten(stated) if resolved[key] == defaults[key]]
    assert same == ["task"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_opens_with_its_cost_and_expected_result(path: Path) -> None:
    head = list(
        itertools.takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    )
    labels = [line[2:12].strip() for line in head]
    assert labels.count("Cost") == labels.count("Expected") == 1
