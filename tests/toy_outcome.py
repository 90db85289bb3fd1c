"""What a miniature run left behind, compared to the last bit."""

from pathlib import Path

import torch

from tasks.engine.checkpoint import Checkpoint, read_checkpoint
from tasks.metrics_file import read_metrics

TIMES = ("images_per_s", "data_share")


def tensors(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    states = checkpoint.optimizer["state"] if checkpoint.is_resumable else {}
    momentum = {f"momentum.{i}": state["momentum_buffer"] for i, state in states.items()}
    average = {f"ema.{key}": value for key, value in (checkpoint.ema or {}).items()}
    return checkpoint.model | average | momentum


def rows(folder: Path) -> list[dict[str, object]]:
    found = read_metrics(folder / "metrics.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMES} for row in found]


def assert_same_run(folder: Path, straight: Path) -> None:
    for name in ("last.pt", "best.pt"):
        expected, got = (tensors(read_checkpoint(path / name)) for path in (straight, folder))
        assert expected.keys() == got.keys()
        assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert rows(folder) == rows(straight)
