"""`tools/benchmark.py segmentation` on a tiny input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from benchmarks import segmentation

if TYPE_CHECKING:
    from command_line import Answer, Tools


@pytest.fixture
def answer(tools: Tools, tmp_path: Path) -> Answer:
    tiny = ("--only", "fpn", "--backbone", "resnet18", "--size", 32)
    common = ("--rounds", 1, "--threads", 1, "--out", tmp_path)
    return tools("tools/benchmark.py", "segmentation", *tiny, *common)


def test_it_prints_and_writes_what_it_measured(answer: Answer, tmp_path: Path) -> None:
    assert answer.status == 0, answer.error
    for timings in json.loads((tmp_path / "segmentation.json").read_text())["timings"]:
        assert {"smp", "ours fp32"} <= timings["seconds"].keys()
    assert (tmp_path / "segmentation.md").read_text() in answer.output


def test_other_logits_are_refused_before_anything_is_timed() -> None:
    expected = torch.ones(1, 3, 2, 2)
    predicting = {"smp": lambda: expected, segmentation.OURS: lambda: 1.001 * expected}
    with pytest.raises(segmentation.OutputsDifferError, match=r"fpn, ours fp32: .* by 0.001 "):
        segmentation.check_equal("fpn", predicting)
