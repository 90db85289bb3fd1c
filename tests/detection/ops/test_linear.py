"""Fully connected layers, computed as products or as convolutions."""

from __future__ import annotations

import pytest
import torch
from detection.references import linear
from torch import nn

from tasks.detection.ops.kernels import linear_convolution
from tasks.detection.ops.linear import fully_connected
from tasks.engine.timing import TimedRoute


@pytest.mark.parametrize("rows", [20, 21])
def test_a_convolution_has_the_products_values_and_gradients(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(linear_convolution.ROUTE, "taken", True)
    torch.manual_seed(0)
    layer, x = nn.Linear(48, 10), torch.randn(rows, 48, requires_grad=True)
    upstream = torch.randn(rows, 10)
    expected, ours = linear(layer, x), fully_connected(layer, x)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
    inputs = (x, layer.weight, layer.bias)
    wanted = torch.autograd.grad(expected, inputs, upstream)
    for gradient, other in zip(torch.autograd.grad(ours, inputs, upstream), wanted, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("speed_up", "as_convolution"), [(1.05, False), (1.6, True)])
def test_the_faster_way_is_taken(
    monkeypatch: pytest.MonkeyPatch, speed_up: float, as_convolution: bool
) -> None:
    monkeypatch.setattr(linear_convolution, "ROUTE", TimedRoute(lambda: speed_up))
    marker = torch.full((3, 2), 7.0)
    monkeypatch.setattr(linear_convolution, "linear_as_convolution", lambda layer, x: marker)
    assert (fully_connected(nn.Linear(4, 2), torch.ones(3, 4)) is marker) == as_convolution


def test_bf16_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow products are those of fp32."""
    untimed = TimedRoute(lambda: pytest.fail("timed"))
    monkeypatch.setattr(linear_convolution, "ROUTE", untimed)
    with torch.autocast("cpu", torch.bfloat16):
        assert fully_connected(nn.Linear(4, 2), torch.ones(3, 4)).dtype == torch.bfloat16


def test_a_gpu_is_not_timed(gpu_routes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    untimed = TimedRoute(lambda: pytest.fail("timed"))
    monkeypatch.setattr(linear_convolution, "ROUTE", untimed)
    layer, x = nn.Linear(4, 2), torch.ones(3, 4)
    assert torch.equal(fully_connected(layer, x), linear(layer, x))


def test_the_machine_is_timed() -> None:
    assert 0.02 < linear_convolution.convolution_speed_up() < 50
