"""Learning-rate factors computed by hand, and when things are due."""

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.engine.schedule import (
    Evaluation,
    History,
    evaluations_without_rise,
    in_steps,
    is_due,
    lr_factor,
)
from tasks.engine.settings import ScheduleConfig

STEP = ScheduleConfig(
    steps=100, reference_steps=100, milestones=(60, 80), warmup_steps=10, warmup_factor=0.1
)


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 0.1), (5, 0.55), (10, 1), (59, 1), (60, 0.1), (79, 0.1), (80, 0.01), (99, 0.01)],
)
def test_step_schedule(step: int, factor: float) -> None:
    assert lr_factor(step, (), STEP, "top1") == pytest.approx(factor)


@pytest.mark.parametrize(("step", "factor"), [(2, 1), (11, 1), (12, 0.1), (15, 0.1), (16, 0.01)])
def test_milestones_scale_with_the_number_of_steps(step: int, factor: float) -> None:
    short = ScheduleConfig(
        steps=20, reference_steps=100, milestones=(60, 80), warmup_steps=2, warmup_factor=0.1
    )
    assert lr_factor(step, (), short, "top1") == pytest.approx(factor)


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (5, 0.55), (10, 1)])
def test_warm_up_keeps_its_length_in_a_shorter_run(step: int, factor: float) -> None:
    short = ScheduleConfig(
        steps=50, reference_steps=100, milestones=(60, 80), warmup_steps=10, warmup_factor=0.1
    )
    assert lr_factor(step, (), short, "top1") == pytest.approx(factor)


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (2, 0.4), (5, 0.85), (6, 1)])
def test_warm_up_takes_a_third_of_the_run_at_most(step: int, factor: float) -> None:
    short = ScheduleConfig(
        steps=18, reference_steps=18, milestones=(12,), warmup_steps=1000, warmup_factor=0.1
    )
    assert lr_factor(step, (), short, "top1") == pytest.approx(factor)


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1), (25, 0.8535534), (50, 0.5), (75, 0.1464466), (100, 0)]
)
def test_cosine_schedule(step: int, factor: float) -> None:
    cosine = ScheduleConfig(
        name="cosine", steps=100, reference_steps=100, milestones=(60,), warmup_steps=0
    )
    assert lr_factor(step, (), cosine, "top1") == pytest.approx(factor)


def test_due_on_the_grid_and_at_the_end_and_never_before_the_first_step() -> None:
    assert [step for step in range(11) if is_due(step, 4, 10)] == [4, 8, 10]
    assert [step for step in range(11) if is_due(step, 0, 10)] == [10]


def history(*scores: float) -> History:
    return [Evaluation(10 * step, {"top1": score}) for step, score in enumerate(scores, start=1)]


NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "factor"),
    [
        ((), 1),
        ((0.5, 0.6, 0.7), 1),
        ((0.5, 0.4, 0.3), 0.1),  # two without a better one
        ((0.5, 0.4, 0.6, 0.5), 1),
        ((0.5, 0.5, 0.5), 0.1),  # equal is no better
        ((0.5, 0.4, 0.3, 0.2, 0.1), 0.01),
        ((0.5, 0.4, 0.3, 0.6, 0.1, 0.1), 0.01),
        ((NAN, NAN), 0.1),
        ((NAN, 0.2, NAN), 1),
    ],
)
def test_plateau_follows_the_scores_alone(scores: tuple[float, ...], factor: float) -> None:
    plateau = ScheduleConfig(name="plateau", steps=100, plateau_evaluations=2, gamma=0.1)
    for step in (0, 60, 99):
        assert lr_factor(step, history(*scores), plateau, "top1") == pytest.approx(factor)


@pytest.mark.parametrize(
    ("scores", "count"), [((), 0), ((0.1,), 0), ((0.2, 0.1), 1), ((0.2, NAN, 0.2, 0.3, 0.3), 1)]
)
def test_evaluations_without_a_better_score(scores: tuple[float, ...], count: int) -> None:
    assert evaluations_without_rise(history(*scores), "top1") == count


def test_epochs_become_steps() -> None:
    assert in_steps(ScheduleConfig(epochs=2.5), 8) == ScheduleConfig(steps=20)
    assert in_steps(ScheduleConfig(steps=7), 8) == ScheduleConfig(steps=7)
    with pytest.raises(UserError, match=r"at least one step, where an epoch has 8, got 0\.05"):
        in_steps(ScheduleConfig(epochs=0.05), 8)


@pytest.mark.parametrize("step", [0, 1, 4, 5, 6, 50, 99])
def test_cosine_after_the_warm_up_is_torchs_sequence(step: int) -> None:
    config = ScheduleConfig(
        name="cosine", steps=100, warmup_steps=5, warmup_factor=0.01, decay_after_warmup=True
    )
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=5)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=95)
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[5])
    for _ in range(step):
        optimizer.step()
        both.step()
    expected = optimizer.param_groups[0]["lr"]
    assert lr_factor(step, (), config, "top1") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "factor"), [((), 0.1), ((0.1, 0.19), 0.1), ((0.1, 0.2), 1), ((0.3, 0.1), 1)]
)
def test_warm_up_ends_with_a_score(scores: tuple[float, ...], factor: float) -> None:
    """He et al. 2016, section 4.2: 0.01 until the error is below 80 %, then 0.1."""
    config = ScheduleConfig(steps=100, warmup_until=0.2, warmup_metric="top1", warmup_factor=0.1)
    for step in (0, 50, 99):
        assert lr_factor(step, history(*scores), config, "other") == pytest.approx(factor)


def test_warm_up_by_a_score_takes_no_steps() -> None:
    with pytest.raises(UserError, match=r"warmup_until needs schedule\.warmup_steps=0, got 5"):
        ScheduleConfig(steps=100, warmup_until=0.2, warmup_steps=5)


@pytest.mark.parametrize(("step", "expected"), [(0, 1.0), (40_000, 0.5405279), (79_999, 0.0100383)])
def test_poly_is_mmengines(step: int, expected: float) -> None:
    """PolyLR: (lr - eta_min) (1 - t / T) ** 0.9 + eta_min, of 0.01, 1e-4 and 80,000 steps."""
    config = ScheduleConfig(name="poly", steps=80_000, last_factor=0.01)
    assert lr_factor(step, (), config, "val/score") == pytest.approx(expected, abs=1e-6)
