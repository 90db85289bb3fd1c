from pathlib import Path

import class_data
import pytest
from tiny_classifier import tiny_config

from tasks.classification.train import run
from tasks.engine.launch import launch


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of small images of one colour each."""
    return class_data.folders(tmp_path_factory.mktemp("classes") / "data")


@pytest.fixture(scope="session")
def trained(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt to tell the colours apart."""
    out = tmp_path_factory.mktemp("trained") / "run"
    config = tiny_config(
        folders,
        out,
        schedule__steps=60,
        schedule__reference_steps=60,
        schedule__milestones="[45]",
        run__eval_every=30,
        run__log_every=15,
        optim__lr=0.02,
        run__eval_sets="[val,train]",
        optim__ema_decay=0.9,
        data__decoded=True,
    )
    scores = launch(config, run).scores
    assert scores["val/top1"] == 1.0
    assert scores["train/top1"] == 1.0
    return out
