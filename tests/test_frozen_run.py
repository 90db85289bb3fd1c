"""A run of version 0.1.0 is evaluated, used, resumed and fine-tuned; see
`tests/frozen/0.1.0/README.md`.
"""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Tools

from tasks.detection.config import DetectionConfig
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.config import from_saved
from tasks.engine.config_text import read_yaml
from tasks.metrics_file import read_metrics

FROZEN = Path(__file__).parent / "frozen" / "0.1.0"
RUN, DATA = FROZEN / "run", f"data.root={FROZEN / 'data'}"
EXPECTED: dict[str, Any] = json.loads((FROZEN / "expected.json").read_text())
RECIPES = sorted((FROZEN / "recipes").glob("*.yaml"))
SAME_AP = 0.002


def assert_same_scores(scores: dict[str, float], expected: dict[str, float | None]) -> None:
    for name, value in expected.items():
        score = scores[name]
        if value is None:
            assert score is None or math.isnan(score), name
        else:
            assert score == pytest.approx(value, abs=SAME_AP), name


def test_it_is_evaluated(tools: Tools, tmp_path: Path) -> None:
    answer = tools("tools/eval_det.py", RUN, DATA, "--out", tmp_path)
    assert answer.status == 0, answer.error
    assert_same_scores(
        json.loads((tmp_path / "evaluation.json").read_text())["scores"], EXPECTED["best"]
    )


def test_it_predicts(tools: Tools, tmp_path: Path) -> None:
    answer = tools(
        "tools/predict.py", RUN, FROZEN / "data" / "val", "--out", tmp_path, "--precision", "fp32"
    )
    assert answer.status == 0, answer.error
    found = json.loads((tmp_path / "predictions.json").read_text())
    truth = json.loads((FROZEN / "data" / "annotations" / "instances_val.json").read_text())
    assert found["categories"] == [
        {"id": entry["id"], "name": entry["name"]} for entry in truth["categories"]
    ]
    assert len(found["annotations"]) >= 8  # of 12 objects


def test_it_is_resumed_to_the_weights_that_its_own_version_reached(
    tools: Tools, tmp_path: Path
) -> None:
    folder = shutil.copytree(RUN, tmp_path / "run")
    arguments = (folder / "config.yaml", DATA, f"run.output_dir={folder}", "run.resume=auto")
    answer = tools("tools/train_det.py", *arguments)
    assert answer.status == 0, answer.error
    assert "resumed after step 3 of 6" in answer.output
    rows = read_metrics(folder / "metrics.jsonl")
    assert [row["loss"] for row in rows] == pytest.approx(EXPECTED["losses"], rel=1e-4)
    assert_same_scores(rows[-1], EXPECTED["resumed"])
    saved = read_checkpoint(folder / "last.pt")
    assert saved.model.keys() == EXPECTED["weights"].keys()
    for name, tensor in saved.model.items():
        assert_same_tensor(tensor, EXPECTED["weights"][name], name)
    for place, state in saved.optimizer["state"].items():
        assert_same_tensor(
            state["momentum_buffer"], EXPECTED["momentum"][str(place)], f"momentum of {place}"
        )


def assert_same_tensor(tensor: torch.Tensor, expected: list[float], name: str) -> None:
    total, norm = expected
    close = 1e-4 * max(norm, 1e-3)
    assert float(tensor.double().norm()) == pytest.approx(norm, abs=close), name
    assert float(tensor.double().sum()) == pytest.approx(
        total, abs=close * math.sqrt(tensor.numel())
    ), name


def test_it_is_fine_tuned(tools: Tools, tmp_path: Path) -> None:
    start = (f"model.weights={RUN}", "schedule.steps=1", "optim.lr=1e-12", "run.eval_every=0")
    answer = tools(
        "tools/train_det.py",
        RUN / "config.yaml",
        DATA,
        *start,
        f"run.output_dir={tmp_path / 'run'}",
    )
    assert answer.status == 0, answer.error
    assert "3 classes keep their predictor (circle, star, ring)" in answer.output
    old, new = (
        read_checkpoint(RUN / "best.pt").model,
        read_checkpoint(tmp_path / "run" / "last.pt").model,
    )
    trained = [name for name in new if name.startswith(("pyramid.", "rpn.", "box_head."))]
    assert all(torch.allclose(new[name], old[name], rtol=0, atol=1e-8) for name in trained)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_its_resolved_recipes_are_read(path: Path) -> None:
    config = from_saved(DetectionConfig, read_yaml(path), str(path))
    name = re.search(r"^  backbone: (.*)$", path.read_text(), re.MULTILINE)
    assert name is not None
    assert config.model.backbone == name.group(1)
