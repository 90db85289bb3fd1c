"""Counts against published ones and against arithmetic by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_backbones.analysis.complexity import measure

TOOL = Path(__file__).resolve().parents[3] / "tools" / "describe.py"
PUBLISHED = {  # parameters and GMAC with a classifier of 1000 classes at 224 pixels
    "resnet18": (11_689_512, 1.814), "resnet34": (21_797_672, 3.664), "resnet50": (25_557_032, 4.089),
    "resnet101": (44_549_160, 7.801), "resnet152": (60_192_808, 11.514),
    "vgg11": (132_863_336, 7.609), "vgg13_bn": (133_053_736, 11.308), "vgg16_c": (133_638_952, 11.771),
    "vgg16": (138_357_544, 15.470), "vgg19": (143_667_240, 19.632),
    "googlenet": (6_624_904, 1.498), "googlenet_lrn": (6_998_552, 1.583),
}  # fmt: skip
PAPER = {"resnet50": 3.858, "resnet101": 7.570, "resnet152": 11.282}  # GMAC with the stride in the 1x1 convolution


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_multiply_adds_are_the_published_ones(name: str) -> None:
    total = measure(name).total
    assert (total.parameters, round(total.macs / 1e9, 3)) == PUBLISHED[name]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_stride_costs_less(name: str) -> None:
    assert round(measure(name, stride_in="1x1").total.macs / 1e9, 3) == PAPER[name]


def test_stages_add_up_and_the_stem_is_as_by_hand() -> None:
    costs = measure("resnet18", size=64, num_classes=10)
    stem, classifier = costs.stages[0], costs.stages[-1]
    assert [stage.name for stage in costs.stages] == ["c1", "c2", "c3", "c4", "c5", "classifier"]
    assert (stem.height, stem.width, stem.channels, stem.stride) == (32, 32, 64, 2)
    assert stem.cost.macs == 64 * 32 * 32 * 3 * 7 * 7
    assert stem.cost.activations == 64 * 32 * 32
    assert stem.cost.parameters == 64 * 3 * 7 * 7 + 2 * 64
    assert (classifier.cost.parameters, classifier.cost.macs) == (512 * 10 + 10, 512 * 10)
    assert sum(stage.cost.macs for stage in costs.stages) == costs.total.macs


def test_recomputation_apart_training_keeps_images_and_what_the_stem_puts_out() -> None:
    kept = measure("resnet18", size=64).stages[0].cost.kept_bytes
    convolution, relu = 4 * 3 * 64 * 64, 4 * 64 * 32 * 32
    assert kept == pytest.approx(convolution + 2 * relu, rel=0.02)  # batch norm keeps its input, ReLU its output


def test_tables_hold_flops_as_twice_the_multiply_adds() -> None:
    costs = measure("googlenet", size=64)
    values = json.loads(costs.to_json())
    assert values["total"]["flops"] == 2 * costs.total.macs
    assert len(costs.to_markdown().splitlines()) == 2 + len(costs.stages) + 1
    assert "GMAC" in str(costs)


def test_a_timm_model_is_measured_too() -> None:
    total = measure("timm:convnext_atto").total
    assert total.macs / 1e9 == pytest.approx(0.55, abs=0.005)  # timm's own table


def test_the_tool_prints_markdown_and_refuses_unknown_names() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False)

    assert run("resnet18", "--size", "64", "--markdown").stdout.startswith("| stage | channels")
    refused = run("resnet19")
    assert refused.returncode == 2
    assert "did you mean resnet18" in refused.stderr
