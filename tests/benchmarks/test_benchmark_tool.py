"""tools/benchmark.py on tiny inputs: it compares before it times, and ends with status 1 where
outputs differ.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from benchmarks import backbones, data, evaluation

if TYPE_CHECKING:
    from command_line import Answer, Tools

TOOL = "tools/benchmark.py"
Run = Callable[..., "Answer"]


@pytest.fixture
def run(tools: Tools, shapes: Path, tmp_path: Path) -> Run:
    """Runs a tiny version of a benchmark, with more arguments where given."""
    images = ("--images", shapes / "val", "--short-edge", 64)
    tiny: dict[str, tuple[object, ...]] = {
        "evaluation": ("--scale", 0.002),
        "data": (*images, "--count", 2),
        "backbones": ("--backbone", "resnet18", "--size", 64, "--batch", 2, "--no-compile"),
    }

    def start(name: str, *more: object) -> Answer:
        return tools(
            TOOL, name, *tiny[name], "--rounds", 1, "--threads", 1, "--out", tmp_path, *more
        )

    return start


def test_the_tool_is_a_door() -> None:
    """It finds benchmarks/ and calls one function of it."""
    tool = Path(__file__).parents[2] / TOOL
    docstring, *imported, door = ast.parse(tool.read_text()).body
    assert TOOL in ast.unparse(docstring)
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in imported)
    assert isinstance(door, ast.If)
    assert [ast.unparse(line) for line in door.body[1:]] == [
        "from benchmarks.run import main",
        "main(__doc__)",
    ]


@pytest.mark.parametrize(
    ("name", "variants"),
    [
        ("evaluation", {"pycocotools", "ours", "ours, as in training: detections in memory"}),
        ("data", {"torchvision, PIL", "ours", "ours, then normalised"}),
        ("backbones", {"torchvision", "timm features_only", "ours fp32", "ours bf16"}),
    ],
)
def test_a_benchmark_prints_and_writes_what_it_measured(
    run: Run, tmp_path: Path, name: str, variants: set[str]
) -> None:
    answer = run(name)
    assert answer.status == 0, answer.error
    for timings in json.loads((tmp_path / f"{name}.json").read_text())["timings"]:
        assert timings["seconds"].keys() == variants
    assert (tmp_path / f"{name}.md").read_text() in answer.output


def assert_refused(answer: Answer, folder: Path, difference: str) -> None:
    """Status 1, the difference named, and nothing written."""
    assert (answer.status, difference in answer.error) == (1, True), answer.error
    assert list(folder.glob("*.json")) == []


def test_a_score_of_another_last_bit_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = evaluation.our_scores
    monkeypatch.setattr(
        evaluation, "our_scores", lambda *files: [1.000000000000001 * s for s in right(*files)]
    )
    assert_refused(run("evaluation"), tmp_path, "equal to the last bit, but AP:")


def test_a_pipeline_that_does_not_flip_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = data.our_pipeline
    monkeypatch.setattr(data, "our_pipeline", lambda edge: lambda file: right(edge)(file).flip(-1))
    assert_refused(run("data"), tmp_path, "ours differs by")


def test_a_backbone_with_other_weights_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = backbones.fold_norms

    def perturbed(module: torch.nn.Module) -> Any:
        folded = right(module)
        folded.get_parameter("layer4.1.conv2.weight").mul_(1.01)
        return folded

    monkeypatch.setattr(backbones, "fold_norms", perturbed)
    assert_refused(run("backbones"), tmp_path, "ours fp32, c5 in evaluation mode")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("evaluation", "--scale", 2), "--scale must be in (0, 1]"),
        (("evaluation", "--rounds", 0), "--rounds must be >= 1"),
        (("data", "--threads", 0), "--threads must be >= 1"),
        (("data", "--images", "nowhere"), "nowhere does not exist"),
    ],
)
def test_wrong_arguments_are_refused(run: Run, arguments: tuple[object, ...], problem: str) -> None:
    answer = run(*arguments)
    assert (answer.status, problem in answer.error) == (2, True), answer.error
