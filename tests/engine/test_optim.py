"""Optimiser groups and updates against hand arithmetic, and the moving average."""

import pytest
import torch
from timm.optim import create_optimizer_v2
from torch import nn

from resnet_backbones.errors import UserError
from tasks.engine.optim import Ema, build_optimizer, peak_lr, split_parameters
from tasks.engine.settings import OptimConfig


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.GroupNorm(1, 2), nn.Linear(2, 2))


def test_norms_are_a_group_of_their_own_and_frozen_parameters_are_left_out() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    optimizer = build_optimizer(model, OptimConfig(weight_decay=0.5, norm_weight_decay=0.25))
    decayed, norms = optimizer.param_groups
    assert (decayed["weight_decay"], norms["weight_decay"]) == (0.5, 0.25)
    assert [id(p) for p in decayed["params"]] == [
        id(p) for p in (model[0].bias, *model[3].parameters())
    ]
    assert [id(p) for p in norms["params"]] == [
        id(p) for p in (*model[1].parameters(), *model[2].parameters())
    ]


def test_a_shared_parameter_counts_once() -> None:
    first = nn.Linear(2, 2)
    second = nn.Linear(2, 2)
    second.weight = first.weight
    assert len(split_parameters(nn.Sequential(first, second))[0]) == 3


def test_a_model_with_nothing_to_train_is_refused() -> None:
    with pytest.raises(UserError, match="at least one trainable parameter"):
        build_optimizer(network().requires_grad_(False), OptimConfig())


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_updates_equal_torchs_plain_optimisers(name: str) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    fused = build_optimizer(ours, OptimConfig(name=name, lr=0.1, weight_decay=0.01))
    plain: torch.optim.Optimizer = torch.optim.AdamW(
        theirs.parameters(), lr=0.1, weight_decay=0.01, foreach=False
    )
    if name == "sgd":
        plain = torch.optim.SGD(
            theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, foreach=False
        )
    for _ in range(3):
        images = torch.randn(4, 3)
        for model, optimizer in ((ours, fused), (theirs, plain)):
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)


@pytest.mark.parametrize("name", ["lamb", "nadamw"])
def test_others_are_timms(name: str) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    first = build_optimizer(ours, OptimConfig(name=name, lr=0.1, weight_decay=0.01))
    second = create_optimizer_v2(
        theirs, opt=name, lr=0.1, weight_decay=0.01, filter_bias_and_bn=False
    )
    for _ in range(3):
        images = torch.randn(4, 3)
        for model, optimizer in ((ours, first), (theirs, second)):
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_nesterov_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    first = build_optimizer(ours, OptimConfig(nesterov=True, weight_decay=0))
    for group in first.param_groups:
        group["lr"] = 0.1
    second = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(3):
        images = torch.randn(4, 3)
        for model, optimizer in ((ours, first), (theirs, second)):
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_biases_may_have_a_weight_decay_of_their_own() -> None:
    model = network()
    config = OptimConfig(weight_decay=0.5, norm_weight_decay=0.25, bias_weight_decay=0.0)
    decays = {
        id(parameter): group["weight_decay"]
        for group in build_optimizer(model, config).param_groups
        for parameter in group["params"]
    }
    assert [decays[id(x)] for x in (model[0].weight, model[0].bias)] == [0.5, 0.0]
    assert [decays[id(x)] for x in (model[1].weight, model[1].bias)] == [0.25, 0.25]
    assert len(decays) == len(list(model.parameters()))


def test_the_average_moves_every_so_many_steps() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    average = Ema(model, 0.5, every=2)
    seen = []
    for step in range(4):
        with torch.no_grad():
            model.weight.fill_(float(step + 1))
        average.update(model, step)
        seen.append(float(average.model.weight))
    # moves after steps 2 and 4, with decays 1/10 and 2/11
    second = 0.9 * 2
    assert seen == pytest.approx([0.0, second, second, second * 2 / 11 + 4 * 9 / 11])


def test_momentum_starts_at_zero_and_not_uninitialised() -> None:
    optimizer = build_optimizer(network(), OptimConfig())
    assert all(not state["momentum_buffer"].any() for state in optimizer.state.values())


def test_the_peak_learning_rate_scales_with_the_batch() -> None:
    assert peak_lr(OptimConfig(lr=0.02, reference_batch=16), 4) == pytest.approx(0.005)


def test_the_average_follows_weights_and_statistics_and_copies_counters() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.constant_(model[0].weight, 1.0)
    ema = Ema(model, decay=0.15)
    nn.init.constant_(model[0].weight, 2.0)
    model[1].running_mean.fill_(1.0)
    model[1].num_batches_tracked.fill_(7)
    ema.update(model, 0)  # decay min(0.15, 1/10): 0.1 * 1 + 0.9 * 2
    assert ema.model[0].weight.item() == pytest.approx(1.9)
    assert ema.model[1].running_mean.item() == pytest.approx(0.9)
    assert ema.model[1].num_batches_tracked.item() == 7
    ema.update(model, 1)  # decay min(0.15, 2/11) = 0.15
    assert ema.model[0].weight.item() == pytest.approx(0.15 * 1.9 + 0.85 * 2)


def test_the_average_does_not_train_and_does_not_share_memory() -> None:
    model = network()
    ema = Ema(model, decay=0.9)
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
    assert not ema.model.training
    assert ema.model[0].weight.data_ptr() != model[0].weight.data_ptr()
