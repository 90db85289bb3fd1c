"""Counts against published ones and against arithmetic by hand."""

import json
from collections.abc import Iterable

import pytest
from command_line import Tools

from resnet_backbones.analysis.complexity import measure
from resnet_backbones.resnet import ResNetOptions
from resnet_backbones.resnet_cifar import CifarOptions

PUBLISHED = {  # parameters and GMAC with a classifier of 1000 classes at 224 pixels
    "resnet18": (11_689_512, 1.814), "resnet34": (21_797_672, 3.664), "resnet50": (25_557_032, 4.089),
    "resnet101": (44_549_160, 7.801), "resnet152": (60_192_808, 11.514), "resnet200": (64_673_832, 15.008),
    "plain18": (11_515_688, 1.795), "plain34": (21_623_848, 3.645),
    "vgg11": (132_863_336, 7.609), "vgg13": (133_047_848, 11.308), "vgg16_c": (133_638_952, 11.771),
    "vgg16": (138_357_544, 15.470), "vgg19": (143_667_240, 19.632),
    "vgg11_bn": (132_868_840, 7.609), "vgg13_bn": (133_053_736, 11.308), "vgg16_c_bn": (133_647_400, 11.771),
    "vgg16_bn": (138_365_992, 15.470), "vgg19_bn": (143_678_248, 19.632),
    "googlenet": (6_624_904, 1.498), "googlenet_lrn": (6_998_552, 1.583),
}  # fmt: skip
SHORTCUTS = {  # the same with shortcuts A and C
    "resnet18": {"A": (11_515_688, 1.795), "C": (12_043_816, 1.878)},
    "resnet34": {"A": (21_623_848, 3.645), "C": (22_716_840, 3.831)},
}
PAPER = {  # GMAC with the stride in the 1x1 convolution
    "resnet50": 3.858, "resnet101": 7.570, "resnet152": 11.282, "resnet200": 14.776,
}  # fmt: skip
CIFAR = {  # parameters and MMAC with 10 classes at 32 pixels and shortcuts A, B and C
    20: ((269_722, 40.55), (272_474, 40.81), (283_962, 42.65)),
    32: ((464_154, 68.86), (466_906, 69.12), (489_594, 72.53)),
    44: ((658_586, 97.17), (661_338, 97.44), (695_226, 102.42)),
    56: ((853_018, 125.49), (855_770, 125.75), (900_858, 132.30)),
    110: ((1_727_962, 252.89), (1_730_714, 253.15), (1_826_202, 266.78)),
    1202: ((19_421_274, 2829.24), (19_424_026, 2829.50), (20_538_714, 2986.26)),
}
IDENTITY = {  # parameters and MMAC of Identity Mappings' nets: full pre-activation, stride in the 1x1 convolution
    "resnetv2_110": (1_727_962, 252.9), "resnetv2_164": (1_703_258, 244.5), "resnetv2_1001": (10_327_706, 1487.8),
}  # fmt: skip
SLOW = ("resnet200", 32, 44, 56, 110, 1202)
LAST_DIGIT = 1e-3  # which the published figures do not all round alike


def _marked(names: Iterable[object]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


@pytest.mark.parametrize("name", _marked(PUBLISHED))
def test_parameters_and_multiply_adds_are_the_published_ones(name: str) -> None:
    total = measure(name).total
    assert (total.parameters, total.macs / 1e9) == (
        PUBLISHED[name][0],
        pytest.approx(PUBLISHED[name][1], abs=LAST_DIGIT),
    )


@pytest.mark.parametrize("kind", ["A", "C"])
@pytest.mark.parametrize("name", SHORTCUTS)
def test_shortcuts_cost_what_is_published(name: str, kind: str) -> None:
    total, (parameters, macs) = (
        measure(name, options=ResNetOptions(shortcut=kind)).total,
        SHORTCUTS[name][kind],
    )
    assert (total.parameters, total.macs / 1e9) == (parameters, pytest.approx(macs, abs=LAST_DIGIT))


@pytest.mark.parametrize("depth", _marked(CIFAR))
def test_cifar_nets_cost_what_is_published(depth: int) -> None:
    for kind, published in zip("A" if depth > 1000 else "ABC", CIFAR[depth], strict=False):
        total = measure(f"resnet{depth}", num_classes=10, options=CifarOptions(shortcut=kind)).total
        assert (total.parameters, round(total.macs / 1e6, 2)) == published


@pytest.mark.parametrize("depth", [20, pytest.param(110, marks=pytest.mark.slow)])
def test_plain_nets_cost_what_residual_ones_cost(depth: int) -> None:
    total = measure(f"plain{depth}", num_classes=10).total
    assert (total.parameters, round(total.macs / 1e6, 2)) == CIFAR[depth][0]


@pytest.mark.slow
@pytest.mark.parametrize("name", IDENTITY)
def test_nets_of_identity_mappings_cost_what_is_published(name: str) -> None:
    stride_in = "3x3" if name == "resnetv2_110" else "1x1"  # basic blocks have no 1x1 convolution
    total = measure(name, num_classes=10, stride_in=stride_in).total
    assert (total.parameters, round(total.macs / 1e6, 1)) == IDENTITY[name]


@pytest.mark.parametrize("name", _marked(PAPER))
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
    assert kept == pytest.approx(
        convolution + 2 * relu, rel=0.02
    )  # batch norm keeps its input, ReLU its output


def test_tables_hold_flops_as_twice_the_multiply_adds() -> None:
    costs = measure("googlenet", size=64)
    values = json.loads(costs.to_json())
    assert values["total"]["flops"] == 2 * costs.total.macs
    assert len(costs.to_markdown().splitlines()) == 2 + len(costs.stages) + 1
    assert "GMAC" in str(costs)


def test_a_timm_model_is_measured_too() -> None:
    total = measure("timm:convnext_atto").total
    assert total.macs / 1e9 == pytest.approx(0.55, abs=0.005)  # timm's own table


def test_the_tool_prints_tables_takes_options_and_refuses_unknown_names(tools: Tools) -> None:
    tool = "tools/describe.py"
    assert tools(tool, "resnet18", "--size", "64", "--markdown").output.startswith(
        "| stage | channels"
    )
    assert (
        '"parameters": 11515688'
        in tools(tool, "resnet18", "--option", "shortcut=A", "--json").output
    )
    assert (
        "options of vgg11 must be width, head, got shortcut"
        in tools(tool, "vgg11", "--option", "shortcut=A").error
    )
    refused = tools(tool, "resnet19")
    assert refused.status == 2
    assert "did you mean resnet18" in refused.error
