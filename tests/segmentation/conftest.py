from pathlib import Path

import pytest
from tiny_segmenter import tiny_config

from tasks.engine.launch import launch
from tasks.segmentation.train import run


@pytest.fixture(scope="session")
def trained(masks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt to tell the colours apart."""
    out = tmp_path_factory.mktemp("trained") / "run"
    config = tiny_config(
        masks, out, schedule__steps=60, schedule__reference_steps=60, run__eval_every=30
    )
    scores = launch(config, run).scores
    assert scores["seg/mIoU"] > 0.8
    return out
