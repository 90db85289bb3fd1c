"""Fully connected layers computed as convolutions."""

import pytest
import torch
from torch import nn

from tasks.detection.ops import linear
from tasks.detection.ops.linear import fully_connected


@pytest.mark.parametrize("rows", [20, 21])
def test_a_convolution_has_the_products_values_and_gradients(rows: int) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(48, 10), torch.randn(rows, 48, requires_grad=True)
    upstream = torch.randn(rows, 10)
    expected, found = layer(x), fully_connected(layer, x, "convolution")
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    inputs = (x, layer.weight, layer.bias)
    wanted = torch.autograd.grad(expected, inputs, upstream)
    for given, gradient in zip(torch.autograd.grad(found, inputs, upstream), wanted, strict=True):
        torch.testing.assert_close(given, gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("speed_up", "taken"), [(1.05, "plain"), (1.6, "convolution")])
def test_the_measured_way_is_taken(
    monkeypatch: pytest.MonkeyPatch, speed_up: float, taken: str
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(linear, "convolution_speed_up", lambda: speed_up)
    monkeypatch.setattr(
        linear, "_as_convolution", lambda layer, x: calls.append("convolution") or layer(x)
    )
    fully_connected(nn.Linear(4, 2), torch.ones(3, 4), "measured")
    assert calls == (["convolution"] if taken == "convolution" else [])


def test_bf16_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow products are those of fp32."""
    monkeypatch.setattr(linear, "convolution_speed_up", lambda: pytest.fail("timed"))
    with torch.autocast("cpu", torch.bfloat16):
        assert (
            fully_connected(nn.Linear(4, 2), torch.ones(3, 4), "measured").dtype == torch.bfloat16
        )


def test_the_machine_is_timed() -> None:
    assert 0.02 < linear.convolution_speed_up() < 50
