"""Normalisation layers and their fusion with convolutions, against torchvision's
FrozenBatchNorm2d.
"""

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d as TorchvisionFrozenBatchNorm2d

from resnet_backbones.layers import FrozenBatchNorm2d, conv_norm, make_norm


@pytest.fixture
def statistics() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "weight": torch.randn(8, generator=generator),
        "bias": torch.randn(8, generator=generator),
        "running_mean": torch.randn(8, generator=generator),
        "running_var": torch.rand(8, generator=generator) + 0.1,
    }


@pytest.fixture
def conv() -> nn.Conv2d:
    torch.manual_seed(2)
    return nn.Conv2d(4, 8, 3, stride=2, padding=2, dilation=2, bias=False)


def _filled(norm: nn.Module, statistics: dict[str, Tensor]) -> nn.Module:
    norm.load_state_dict(statistics, strict=False)
    return norm


def test_frozen_norm_by_hand() -> None:
    norm = FrozenBatchNorm2d(1, eps=1.0)
    norm.load_state_dict(
        {"weight": torch.tensor([6.0]), "bias": torch.tensor([1.0])}
        | {"running_mean": torch.tensor([2.0]), "running_var": torch.tensor([8.0])}
    )
    assert norm(torch.full((1, 1, 1, 1), 5.0)).item() == pytest.approx(
        7.0
    )  # (5 - 2) / sqrt(8 + 1) * 6 + 1


def test_frozen_norm_equals_torchvisions(statistics: dict[str, Tensor]) -> None:
    x = torch.randn(2, 8, 5, 5)
    ours, theirs = (
        _filled(kind(8), statistics) for kind in (FrozenBatchNorm2d, TorchvisionFrozenBatchNorm2d)
    )
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-6)


def test_fused_frozen_norm_equals_torchvisions_with_its_gradients(
    conv: nn.Conv2d, statistics: dict[str, Tensor]
) -> None:
    x = torch.randn(2, 4, 9, 7, requires_grad=True)
    ours = conv_norm(conv, _filled(FrozenBatchNorm2d(8), statistics), x)
    theirs = _filled(TorchvisionFrozenBatchNorm2d(8), statistics)(conv(x))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    inputs = (x, conv.weight)
    upstream = torch.randn_like(ours)
    for mine, expected in zip(
        torch.autograd.grad(ours, inputs, upstream),
        torch.autograd.grad(theirs, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)


def test_fused_batch_norm_in_eval_mode_equals_the_two_layers(
    conv: nn.Conv2d, statistics: dict[str, Tensor]
) -> None:
    norm = _filled(nn.BatchNorm2d(8), statistics).eval()
    x = torch.randn(2, 4, 9, 7)
    torch.testing.assert_close(conv_norm(conv, norm, x), norm(conv(x)), rtol=0, atol=1e-5)
    parameters = (norm.weight, norm.bias, conv.weight)
    fused = torch.autograd.grad(conv_norm(conv, norm, x).square().sum(), parameters)
    plain = torch.autograd.grad(norm(conv(x)).square().sum(), parameters)
    for mine, expected in zip(fused, plain, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)


def test_batch_norm_in_training_mode_uses_and_updates_batch_statistics(conv: nn.Conv2d) -> None:
    norm = nn.BatchNorm2d(8)
    out = conv_norm(conv, norm, torch.randn(4, 4, 9, 7))
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(8), rtol=0, atol=1e-5)
    assert norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_bf16_autocast_keeps_activations_bf16(conv: nn.Conv2d, norm: str) -> None:
    layer = make_norm(norm, 8).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert conv_norm(conv, layer, torch.randn(1, 4, 8, 8)).dtype == torch.bfloat16
        assert layer(torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_a_frozen_norm_loads_batch_norms_state_strictly() -> None:
    FrozenBatchNorm2d(8).load_state_dict(nn.BatchNorm2d(8).state_dict(), strict=True)


def test_frozen_norms_have_no_parameters() -> None:
    assert not list(FrozenBatchNorm2d(8).parameters())


def test_group_norm_has_32_groups_of_wu_and_he() -> None:
    assert make_norm("group", 64).num_groups == 32
