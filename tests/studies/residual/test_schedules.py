"""Schedules, as the settings that make them."""

import pytest

from studies.residual.schedules import Schedule, of_part, paper, stretched, warm_up
from tasks.cli.train import read_recipe


def settings(schedule: Schedule) -> dict[str, str]:
    return dict(setting.split("=", 1) for setting in schedule.settings)


def test_epochs_are_steps_of_128_images() -> None:
    found = settings(stretched(8, evaluations=8, precision="bf16"))
    assert found == {
        "schedule.steps": "3128",  # 8 times 391
        "run.eval_every": "391",
        "run.log_every": "391",
        "run.save_every": "391",
        "run.precision": "bf16",
    }


def test_a_part_has_so_many_epochs_of_its_own() -> None:
    found = settings(of_part(7, learning_rate=0.02))
    assert (found["schedule.steps"], found["run.eval_every"]) == ("553", "79")
    assert found["optim.lr"] == "0.02"


def test_the_papers_learning_rate_falls_at_its_milestones() -> None:
    _, config = read_recipe("cifar_resnet20", paper().settings)
    assert (config.schedule.steps, config.schedule.milestones) == (64_000, (32_000, 48_000))
    assert config.schedule.reference_steps == 64_000


def test_a_shorter_one_keeps_the_shape() -> None:
    _, config = read_recipe(
        "cifar_resnet20", stretched(8, evaluations=8, precision="bf16").settings
    )
    shares = [step / config.schedule.reference_steps for step in config.schedule.milestones]
    assert shares == [0.5, 0.75]


def test_what_is_changed_is_told_and_comes_last() -> None:
    changed = Schedule("long", ("optim.lr=1",)).but("slower", "optim.lr=0.5")
    assert changed == Schedule("long; slower", ("optim.lr=1", "optim.lr=0.5"))


def test_a_warm_up_waits_for_a_score() -> None:
    _, config = read_recipe("cifar_resnet20", warm_up(until=0.2, metric="train/top1"))
    schedule = config.schedule
    assert 0.1 * config.optim.lr == pytest.approx(0.01)
    assert (schedule.warmup_factor, schedule.warmup_until) == (0.1, 0.2)
    assert (schedule.warmup_metric, config.run.eval_every) == ("train/top1", 400)
