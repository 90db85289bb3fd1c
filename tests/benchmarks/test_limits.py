"""The least time that a machine needs for a call."""

import pytest
import torch
from torch import nn

from benchmarks import limits


def test_the_least_time_is_that_of_the_multiply_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "convolution_rate", lambda _: 1e3)
    layer, images = nn.Conv2d(3, 4, 3, padding=1, bias=False), torch.ones(2, 3, 5, 6)
    flops = 2 * (2 * 4 * 5 * 6) * (3 * 9)  # two for each of 27 products of an output
    assert limits.least_seconds(lambda: layer(images), torch.float32) == pytest.approx(flops / 1e3)


def test_a_backward_pass_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "convolution_rate", lambda _: 1.0)
    layer, rows = nn.Linear(8, 4, bias=False), torch.ones(16, 8, requires_grad=True)
    forward = limits.least_seconds(lambda: layer(rows), torch.float32)
    assert limits.least_seconds(lambda: layer(rows).sum().backward(), torch.float32) == 3 * forward


def test_the_rate_is_one_that_a_machine_can_have() -> None:
    assert 1e8 < limits.convolution_rate(torch.float32) < 1e15
