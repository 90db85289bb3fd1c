"""The recipes of classifiers say what their sources say: learning rates, lengths and networks."""

import math
from functools import cache
from pathlib import Path

import pytest
import torch

from tasks.classification.config import ClassificationConfig
from tasks.classification.network import build_network
from tasks.engine.config import load_config
from tasks.engine.config_text import read_yaml
from tasks.engine.optim import peak_lr
from tasks.engine.schedule import Evaluation, History, lr_factor

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = [
    path.stem
    for path in sorted(CONFIGS.glob("*.yaml"))
    if read_yaml(path)["task"] == "classification"
]
PAPER = [name for name in RECIPES if name.endswith("_paper") and name != "googlenet_paper"]
CIFAR = [name for name in RECIPES if name.startswith("cifar_")]
BY_ERROR = ("cifar_resnet110", "cifar_plain110")
IDENTITY = [name for name in CIFAR if name.startswith("cifar_resnetv2")]
IMAGENET_IMAGES = 1_281_167
CIFAR_IMAGES = 45_000


@cache
def settings(name: str) -> ClassificationConfig:
    """A recipe's."""
    return load_config(ClassificationConfig, CONFIGS / f"{name}.yaml", [])


def learning_rate(name: str, step: int, history: History = ()) -> float:
    """Of the step after `step` finished ones."""
    config = settings(name)
    factor = lr_factor(step, history, config.schedule, config.run.best_metric)
    return peak_lr(config.optim, config.batch_size) * factor


def scored(metric: str, *scores: float, every: int) -> History:
    """Evaluations with these scores, one after another."""
    return [
        Evaluation(every * number, {metric: score}) for number, score in enumerate(scores, start=1)
    ]


@pytest.mark.parametrize("name", ["resnet50_fb", "resnet50_v1"])
@pytest.mark.parametrize("epoch", [0, 29, 30, 59, 60, 89])
def test_a_step_schedule_divides_by_ten_every_30_epochs(name: str, epoch: int) -> None:
    expected = 0.1 * 0.1 ** (epoch // 30)  # torchvision: StepLR(step_size=30, gamma=0.1)
    assert learning_rate(name, 5005 * epoch) == pytest.approx(expected)
    assert learning_rate(name, 5005 * epoch + 5004) == pytest.approx(expected)


@pytest.mark.parametrize("epoch", [0, 1, 4, 5, 6, 300, 599, 600])
def test_v2_is_torchvisions_sequence_of_linear_warm_up_and_cosine(epoch: int) -> None:
    # LinearLR(start_factor=0.01, total_iters=5), then CosineAnnealingLR(T_max=595)
    linear = 0.01 + 0.99 * epoch / 5
    cosine = (1 + math.cos(math.pi * (epoch - 5) / 595)) / 2
    expected = 0.5 * (linear if epoch < 5 else cosine)
    assert learning_rate("resnet50_v2", 1251 * epoch) == pytest.approx(expected, abs=1e-9)


def test_v2_averages_weights_as_torchvision() -> None:
    optim = settings("resnet50_v2").optim
    ranks, batch, every, epochs = 8, 128, 32, 600  # train.py: adjust = … * model_ema_steps / epochs
    decay = 1 - (1 - 0.99998) * ranks * batch * every / epochs
    assert optim.ema_every == every
    assert optim.ema_decay == pytest.approx(decay, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "peak", "epochs", "epoch_length"),
    [
        ("resnet50_a1", 0.005, 600, 626),
        ("resnet50_a2", 0.005, 300, 626),
        ("resnet50_a3", 0.008, 100, 626),
    ],
)
@pytest.mark.parametrize("epoch", [0, 2, 5, 50, 99])
def test_strikes_back_warms_up_from_a_ten_thousandth_and_follows_one_cosine(
    name: str, peak: float, epochs: int, epoch_length: int, epoch: int
) -> None:
    start = 0.0001 / (0.008 if name == "resnet50_a3" else 0.005)
    warm_up = min(1.0, start + (1 - start) * epoch / 5)
    cosine = (1 + math.cos(math.pi * epoch / epochs)) / 2
    found = learning_rate(name, epoch_length * epoch)
    assert found == pytest.approx(peak * warm_up * cosine)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 0.000002), (2.5, 0.001001), (5, 0.002), (1802.5, 0.001), (3600, 0.0)],
)
def test_ra4_warms_up_for_5_epochs_and_falls_to_zero(epoch: float, expected: float) -> None:
    found = learning_rate("resnet50d_ra4", round(313 * epoch))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("epoch", [0, 7.9, 8, 100, 247.9, 249.9])
def test_googlenet_falls_by_4_percent_every_8_epochs(epoch: float) -> None:
    expected = 0.01 * 0.96 ** (epoch // 8)  # 320,000 steps of 32 images are 8 epochs of 1.28 M
    assert learning_rate("googlenet_paper", round(40_000 * epoch)) == pytest.approx(expected)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_divide_by_ten_at_a_plateau(name: str) -> None:
    peak = 0.01 if name == "vgg16_paper" else 0.1
    rising = scored("val/top1", 0.4, 0.5, *[0.5] * 5, every=5000)
    level = scored("val/top1", 0.4, 0.5, *[0.5] * 6, every=5000)
    assert learning_rate(name, 35_000, rising) == pytest.approx(peak)
    assert learning_rate(name, 40_000, level) == pytest.approx(peak / 10)


@pytest.mark.parametrize("name", [name for name in CIFAR if name not in (*BY_ERROR, *IDENTITY)])
@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 0.001), (63_999, 0.001)],
)
def test_cifar_divides_by_ten_at_32k_and_48k(name: str, step: int, expected: float) -> None:
    assert learning_rate(name, step) == pytest.approx(expected)


@pytest.mark.parametrize("name", BY_ERROR)
def test_110_layers_wait_for_a_training_error_below_80_percent(name: str) -> None:
    waiting = scored("train/top1", 0.1, 0.19, every=400)
    ready = scored("train/top1", 0.1, 0.19, 0.2, 0.15, every=400)
    assert learning_rate(name, 0) == pytest.approx(0.01)
    assert learning_rate(name, 800, waiting) == pytest.approx(0.01)
    assert learning_rate(name, 1600, ready) == pytest.approx(0.1)
    assert learning_rate(name, 48_000, ready) == pytest.approx(0.001)


@pytest.mark.parametrize("name", BY_ERROR)
def test_110_layers_measure_that_error_every_400_steps(name: str) -> None:
    config = settings(name)
    assert config.run.eval_every == 400
    assert set(config.run.eval_sets) == {"val", "train"}
    assert config.data.train_scored == 5000


@pytest.mark.parametrize("name", IDENTITY)
def test_identity_mappings_warm_up_until_the_evaluation_at_step_400(name: str) -> None:
    chance = scored("val/top1", 0.1, every=400)
    assert settings(name).run.eval_every == 400
    assert learning_rate(name, 0) == pytest.approx(0.01)
    assert learning_rate(name, 399) == pytest.approx(0.01)
    assert learning_rate(name, 400, chance) == pytest.approx(0.1)
    assert learning_rate(name, 32_000, chance) == pytest.approx(0.01)


EPOCHS = {
    "googlenet_paper": 250,  # solver.prototxt's 10,000,000 steps of 32
    "resnet50_fb": 90,
    "resnet50_v1": 90,
    "resnet50_v2": 600,
    "resnet50_a1": 600,
    "resnet50_a2": 300,
    "resnet50_a3": 100,
    "resnet50d_ra4": 3600,
    "vgg16_paper": 74,
    **{name: 120 for name in PAPER if name != "vgg16_paper"},  # 60e4 steps of 256
}


@pytest.mark.parametrize("name", [name for name in RECIPES if not name.startswith("quickstart")])
def test_steps_times_images_are_the_stated_epochs(name: str) -> None:
    config = settings(name)
    epochs = 182 if name in CIFAR else EPOCHS[name]
    images = CIFAR_IMAGES if name in CIFAR else IMAGENET_IMAGES
    assert config.schedule.steps * config.batch_size / images == pytest.approx(epochs, rel=2e-3)


@pytest.mark.parametrize("name", RECIPES)
def test_a_changed_length_scales_the_milestones(name: str) -> None:
    assert settings(name).schedule.reference_steps == settings(name).schedule.steps


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_asks_for_nothing_that_its_network_has_not(name: str) -> None:
    with torch.device("meta"):
        network = build_network(settings(name).model, 10)  # UserError for such an option
    assert network.backbone.passport.stride_in == settings(name).model.stride_in


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("resnet18_paper", "shortcut", "A"),
        ("resnet34_paper", "shortcut", "A"),
        ("resnet50_paper", "shortcut", "B"),
        ("cifar_resnet20", "shortcut", "A"),
        ("cifar_resnetv2_110", "order", "full"),
        ("cifar_resnetv2_110_original", "order", "original"),
        ("cifar_resnetv2_110_norm_after", "order", "norm_after"),
        ("cifar_resnetv2_110_relu_before", "order", "relu_before"),
        ("cifar_resnetv2_110_relu_only", "order", "relu_only"),
    ],
)
def test_shortcuts_and_orders_are_those_of_the_tables(name: str, option: str, value: str) -> None:
    with torch.device("meta"):
        network = build_network(settings(name).model, 10)
    assert network.backbone.passport.options[option] == value


@pytest.mark.parametrize("name", RECIPES)
def test_the_results_of_a_recipe_are_in_a_folder_of_its_name(name: str) -> None:
    assert settings(name).run.output_dir == f"runs/{name}"
