"""GoogLeNet against torchvision's from the same random state dict, and the published net's
counts.
"""

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Head
from resnet_backbones.googlenet import GoogLeNet
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec

ALL = ("c1", "c2", "c3", "c4", "c5")


def googlenet(name: str = "googlenet", **changes: Any) -> GoogLeNet:
    backbone = build(BackboneSpec(name, **changes))
    assert isinstance(backbone, GoogLeNet)
    return backbone


def both() -> tuple[nn.Module, GoogLeNet, Head]:
    """torchvision's net with dropout off, ours with its values, and our head."""
    torch.manual_seed(0)
    network = torchvision.models.googlenet(
        num_classes=5, init_weights=False, aux_logits=True, dropout=0.0, dropout_aux=0.0
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.1, 0.3)
    backbone = googlenet()
    head = backbone.classifier_head(5)
    nn.ModuleList([backbone, head]).double()
    for module in head.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    state = network.double().state_dict()
    known = backbone.state_dict()
    backbone.load_state_dict({key: value for key, value in state.items() if key in known})
    head.load_state_dict({key: value for key, value in state.items() if key not in known})
    return network, backbone, head


def close(ours: Tensor | None, theirs: Tensor | None, tolerance: float) -> bool:
    assert ours is not None
    assert theirs is not None
    return bool((ours - theirs).abs().max() <= tolerance * theirs.abs().max())


@pytest.mark.parametrize("size", [(64, 96), (75, 49)])
def test_logits_equal_torchvisions_in_eval_mode(size: tuple[int, int]) -> None:
    network, backbone, head = both()
    images = torch.randn(2, 3, *size).double()
    ours = head.eval()(backbone.eval()(images))
    assert list(ours) == ["main"]
    assert close(ours["main"], network.eval()(images), 1e-5)


def test_a_training_step_with_auxiliary_heads_equals_torchvisions() -> None:
    network, backbone, head = both()
    images = torch.randn(2, 3, 64, 64).double()
    theirs, ours = network(images), backbone.logits(images, head)
    for mine, expected in zip(
        ours.values(), (theirs.logits, theirs.aux_logits1, theirs.aux_logits2), strict=True
    ):
        assert close(mine, expected, 1e-5)
    (theirs.logits + 0.3 * theirs.aux_logits1 + 0.3 * theirs.aux_logits2).square().sum().backward()
    (ours["main"] + 0.3 * ours["aux1"] + 0.3 * ours["aux2"]).square().sum().backward()
    gradients = dict(backbone.named_parameters()) | dict(nn.ModuleDict(head).named_parameters())
    assert all(
        close(gradients[key].grad, value.grad, 1e-4) for key, value in network.named_parameters()
    )
    statistics = dict(backbone.named_buffers()) | dict(nn.ModuleDict(head).named_buffers())
    assert all(torch.allclose(statistics[key], value) for key, value in network.named_buffers())


@pytest.mark.parametrize(
    ("name", "main", "all_heads"),
    [("googlenet", 6_624_904, 13_004_888), ("googlenet_lrn", 6_998_552, 13_378_280)],
)
def test_parameter_counts(name: str, main: int, all_heads: int) -> None:
    with torch.device("meta"):
        backbone = googlenet(name)
        head = backbone.classifier_head(1000)
        counts = {key: sum(p.numel() for p in module.parameters()) for key, module in head.items()}
    plain = sum(parameter.numel() for parameter in backbone.parameters()) + counts["fc"]
    assert (plain, plain + counts["aux1"] + counts["aux2"]) == (main, all_heads)


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("name", ["googlenet", "googlenet_lrn"])
def test_levels_have_the_declared_shapes(name: str, output_stride: int) -> None:
    backbone = googlenet(name, levels=ALL, output_stride=output_stride).eval()
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, 64, 96))
    assert list(features) == list(ALL)
    for level in backbone.levels:
        assert features[level.name].shape == (
            1,
            level.channels,
            64 // level.stride,
            96 // level.stride,
        )


def test_a_dilated_net_computes_every_cell_of_the_strided_one() -> None:
    strided = googlenet(levels=["c4", "c5"]).double().eval()
    dilated = googlenet(levels=["c4", "c5"], output_stride=8).double().eval()
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    for parameter in strided.parameters():
        if parameter.dim() == 4:
            nn.init.kaiming_normal_(parameter)
    dilated.load_state_dict(strided.state_dict())
    with torch.no_grad():
        fine, coarse = dilated(images), strided(images)
    torch.testing.assert_close(fine["c4"][:, :, ::2, ::2], coarse["c4"])
    torch.testing.assert_close(fine["c5"][:, :, ::4, ::4], coarse["c5"])


def test_published_auxiliary_heads_pool_five_by_five() -> None:
    auxiliary = googlenet("googlenet_lrn").classifier_head(3)["aux1"].eval()
    x = torch.rand(1, 512, 14, 14)
    auxiliary.conv.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    seen: list[Tensor] = []
    auxiliary(x)
    assert seen[0].shape == (1, 512, 4, 4)
    torch.testing.assert_close(seen[0][0, 0, 1, 2], x[0, 0, 3:8, 6:11].mean())


def test_only_what_the_asked_levels_need_is_built_and_frozen() -> None:
    backbone = googlenet(levels=["c3"], freeze_through="c2")
    assert [name for name, _ in backbone.named_children()][-1] == "inception3b"
    assert {name.partition(".")[0] for name in backbone.frozen_names()} == {
        "conv1",
        "conv2",
        "conv3",
    }


def test_recomputing_gives_equal_gradients_and_statistics() -> None:
    plain, images = googlenet(levels=["c3"]), torch.randn(2, 3, 32, 32)
    saving = googlenet(levels=["c3"], checkpoint_activations=True)
    saving.load_state_dict(plain.state_dict())
    for backbone in (plain, saving):
        backbone(images)["c3"].sum().backward()
    assert all(
        a.grad.equal(b.grad) for a, b in zip(plain.parameters(), saving.parameters(), strict=True)
    )
    assert all(a.equal(b) for a, b in zip(plain.buffers(), saving.buffers(), strict=True))


def test_compiles_and_exports() -> None:
    backbone, images = googlenet("googlenet_lrn", levels=["c3"]).eval(), torch.randn(1, 3, 32, 32)
    expected = backbone(images)["c3"]
    torch.testing.assert_close(
        torch.compile(backbone, backend="eager", fullgraph=True)(images)["c3"], expected
    )
    torch.testing.assert_close(
        torch.export.export(backbone, (images,)).module()(images)["c3"], expected
    )


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("googlenet", {"norm": "group"}, "norm must be auto, batch, frozen or sync"),
        ("googlenet_lrn", {"norm": "sync"}, "use googlenet"),
        ("googlenet", {"stride_in": "1x1"}, "stride_in must be 3x3 for googlenet"),
        ("googlenet", {"levels": ["conv5_3"]}, "levels must be different names"),
    ],
)
def test_what_the_family_has_not_is_refused_by_name(
    name: str, change: dict[str, Any], rule: str
) -> None:
    with pytest.raises(UserError, match=rule):
        googlenet(name, **change)
