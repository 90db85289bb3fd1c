"""CIFAR nets and the units of Identity Mappings, against their papers' figures written out
by hand.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.resnet_cifar import CifarOptions
from resnet_backbones.resnet_identity import IdentityOptions, IdentityResNet


def _identity(**options: object) -> IdentityResNet:
    """A small net with statistics that are not the identity's."""
    torch.manual_seed(0)
    net = create_backbone("resnetv2_20", levels=["c1"], options=IdentityOptions(**options))
    assert isinstance(net, IdentityResNet)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return net.eval()


UNITS = {  # fig. 4 of Identity Mappings, a unit in the middle of a stage
    "original": lambda u, x: F.relu(x + u.bn2(u.conv2(F.relu(u.bn1(u.conv1(x)))))),
    "norm_after": lambda u, x: F.relu(u.bn2(x + u.conv2(F.relu(u.bn1(u.conv1(x)))))),
    "relu_before": lambda u, x: x + F.relu(u.bn2(u.conv2(F.relu(u.bn1(u.conv1(x)))))),
    "relu_only": lambda u, x: x + u.bn2(u.conv2(F.relu(u.bn1(u.conv1(F.relu(x)))))),
    "full": lambda u, x: x + u.conv2(F.relu(u.bn2(u.conv1(F.relu(u.bn1(x)))))),
}


@pytest.mark.parametrize("order", UNITS)
def test_activation_orders_are_figure_4s(order: str) -> None:
    unit = _identity(order=order).get_submodule("layer1")[1]
    x = torch.randn(2, 16, 8, 8)
    kept = x.clone()
    torch.testing.assert_close(unit(x), UNITS[order](unit, x))
    assert x.equal(kept)  # the shortcut's input must not be written over


def test_the_first_full_unit_takes_the_stems_activation() -> None:
    net = _identity()
    first = net.get_submodule("layer1")[0]
    assert not hasattr(first, "bn1")
    x = torch.rand(2, 16, 8, 8)
    torch.testing.assert_close(first(x), x + first.conv2(F.relu(first.bn2(first.conv1(x)))))


def test_the_last_unit_is_followed_by_norm_and_relu() -> None:
    net = create_backbone("resnetv2_20", levels=["c2", "c3"]).eval()
    features = net(torch.randn(1, 3, 16, 16))
    nn.init.constant_(net.norm.bias, 1e3)
    assert net(torch.zeros(1, 3, 16, 16))["c3"].min() > 900
    assert features["c2"].min() < 0 <= features["c3"].min()


def test_units_that_change_the_shape_share_the_activation_with_their_shortcut() -> None:
    net = create_backbone("resnetv2_20", levels=["c2"]).eval()
    unit = net.get_submodule("layer2")[0]
    x = torch.randn(1, 16, 8, 8)
    shared = F.relu(unit.bn1(x))
    expected = F.pad(shared[..., ::2, ::2], (0, 0, 0, 0, 0, 16)) + unit.conv2(
        F.relu(unit.bn2(unit.conv1(shared)))
    )
    torch.testing.assert_close(unit(x), expected)


def _plain_branch(unit: nn.Module, x: Tensor) -> Tensor:
    return unit.bn2(unit.conv2(F.relu(unit.bn1(unit.conv1(x)))))


def _gate(unit: nn.Module, x: Tensor) -> Tensor:
    return torch.sigmoid(unit.junction.gate(x))


SHORTCUTS = {  # fig. 2 and table 1
    "constant": ({"branch_scale": 0.5}, lambda u, x: 0.5 * x + 0.5 * _plain_branch(u, x)),
    "exclusive": ({}, lambda u, x: (1 - _gate(u, x)) * x + _gate(u, x) * _plain_branch(u, x)),
    "shortcut_only": ({}, lambda u, x: (1 - _gate(u, x)) * x + _plain_branch(u, x)),
    "dropout": ({}, lambda u, x: x + _plain_branch(u, x)),
}


@pytest.mark.parametrize("gate", SHORTCUTS)
def test_shortcuts_are_table_1s(gate: str) -> None:
    options, expected = SHORTCUTS[gate]
    unit = _identity(order="original", gate=gate, **options).get_submodule("layer1")[1]
    x = torch.rand(2, 16, 8, 8)
    torch.testing.assert_close(unit(x), F.relu(expected(unit, x)))


def test_gates_start_at_their_bias() -> None:
    unit = _identity(order="original", gate="shortcut_only", gate_bias=-7.0).get_submodule(
        "layer1"
    )[0]
    assert unit.junction.gate.bias.eq(-7).all()


def test_dropped_shortcuts_are_halved_in_number_while_training() -> None:
    junction = (
        _identity(order="original", gate="dropout").get_submodule("layer1")[0].junction.train()
    )
    x = torch.ones(1, 16, 64, 64)
    kept = junction(torch.zeros_like(x), x, x)
    assert kept.ne(0).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_every_table_1_net_trains_through_its_shape_changes() -> None:
    for gate in ("constant", "exclusive", "shortcut_only", "dropout"):
        net = create_classifier(
            "resnetv2_20", num_classes=2, options=IdentityOptions(order="original", gate=gate)
        )
        net(torch.randn(2, 3, 8, 8)).sum().backward()
        assert all(parameter.grad is not None for parameter in net.parameters())


def test_projections_of_full_pre_activation_have_no_norm() -> None:
    with torch.device("meta"):
        full = create_backbone("resnetv2_164", levels=["c1"])
        before = create_backbone(
            "resnetv2_164", levels=["c1"], options=IdentityOptions(order="original")
        )
    assert [len(net.get_submodule("layer1")[0].downsample) for net in (full, before)] == [1, 2]


def test_levels_are_the_three_stages() -> None:
    with torch.device("meta"):
        basic, bottleneck = create_backbone("resnet56"), create_backbone("resnet164", levels=["c3"])
    assert [(level.name, level.channels, level.stride) for level in basic.levels] == [
        ("c1", 16, 1), ("c2", 32, 2), ("c3", 64, 4)
    ]  # fmt: skip
    assert [(level.name, level.channels, level.stride) for level in bottleneck.levels] == [
        ("c3", 256, 4)
    ]


def test_a_residual_net_with_zeroed_branches_hands_its_stem_on() -> None:
    net = create_backbone("resnet20", levels=["c1"]).eval()
    for block in net.get_submodule("layer1"):
        nn.init.zeros_(block.bn2.weight)
    images = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(net(images)["c1"], F.relu(net.bn1(net.conv1(images))))


def test_a_plain_net_with_zeroed_last_norms_hands_nothing_on() -> None:
    net = create_backbone("plain20", levels=["c1"]).eval()
    nn.init.zeros_(net.get_submodule("layer1")[-1].bn2.weight)
    assert net(torch.randn(1, 3, 8, 8))["c1"].eq(0).all()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet20", {"norm": "group"}, "norm must be auto, batch, frozen or sync for resnet20"),
        (
            "resnet20",
            {"output_stride": 8},
            "output_stride must be 32 for resnet20, whose coarsest stride is 4",
        ),
        (
            "resnet20",
            {"freeze_through": "c4"},
            "freeze_through must be none, stem, c1, c2 or c3 for resnet20",
        ),
        ("resnet20", {"levels": ["c4"]}, "levels must be different names out of c1, c2, c3, got"),
        (
            "resnet20",
            {"stride_in": "1x1"},
            "stride_in must be 3x3 for resnet20, whose blocks have no 1x1",
        ),
        (
            "plain20",
            {"options": CifarOptions(shortcut="C")},
            "options of plain20, which has no shortcuts, must be None",
        ),
        (
            "resnetv2_110",
            {"options": CifarOptions()},
            "options of resnetv2_110 must be IdentityOptions",
        ),
        ("resnetv2_18", {"stride_in": "1x1"}, "stride_in must be 3x3 for resnetv2_18"),
        (
            "resnetv2_18",
            {"options": IdentityOptions()},
            "options of resnetv2_18 must be PreActOptions",
        ),
    ],
)
def test_what_a_net_cannot_do_is_refused(
    name: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        create_backbone(name, **arguments)
