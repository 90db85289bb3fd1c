"""A segmenter's run that was killed ends as one that was not."""

from pathlib import Path
from typing import Any

import pytest
from command_line import assert_same_run
from tiny_segmenter import tiny_config

from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.launch import launch
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.train import run
from tasks.vision.semantic.objective import SegmentationObjective

DRAWN: dict[str, Any] = {  # a network with dropout, and everything that is drawn of an image
    "model__head__dropout": 0.2,
    "data__crop": 32,
    "data__scale_jitter": "[0.8,1.3]",
    "data__crop_largest_class": 0.9,
    "data__color_jitter": 0.2,
    "loss__dice": 0.5,
    "optim__name": "sgd",  # of a smaller state
    "optim__accumulate": 2,
    "run__save_every": 2,
    "run__log_every": 1,
}


class KilledError(Exception):
    pass


def killed(config: SegmentationConfig, micro_batch: int) -> None:
    """Start a run that ends in the middle of a step."""
    forward = SegmentationObjective.forward
    left = [micro_batch]

    def dying(self, batch):  # type: ignore[no-untyped-def]
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return forward(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationObjective, "forward", dying)
        with pytest.raises(KilledError):
            launch(config, run)


def test_killed_and_resumed_is_bit_equal(masks: Path, tmp_path: Path) -> None:
    launch(tiny_config(masks, tmp_path / "straight", **DRAWN), run)
    config = tiny_config(masks, tmp_path / "killed", run__resume="auto", **DRAWN)
    killed(config, micro_batch=6)  # the second of step 3 of 4
    assert read_checkpoint(tmp_path / "killed" / "last.pt").step == 2
    launch(config, run)
    assert_same_run(tmp_path / "killed", tmp_path / "straight")
