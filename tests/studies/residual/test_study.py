"""The trainings that a study consists of."""

from __future__ import annotations

import importlib
from pathlib import Path

import class_data
import pytest

from resnet_backbones.errors import UserError
from resnet_backbones.registry import make_options
from studies.degradation import STUDY
from studies.residual.results import ORDER
from studies.residual.study import Plan, Study, choose_networks
from studies.residual.subsets import StudyImages

STUDIES: tuple[Study, ...] = tuple(
    importlib.import_module(f"studies.{name}").STUDY
    for name in (
        "degradation",
        "convergence",
        "depth",
        "shortcuts",
        "activation_orders",
        "vgg_columns",
    )
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> StudyImages:
    folder = tmp_path_factory.mktemp("study")
    return StudyImages(class_data.folders(folder / "data"), folder / "images")


def plan(study: Study, budget: str, images: StudyImages, out: Path, seeds: int = 1) -> Plan:
    return Plan(study, budget, images, out, seeds, tuple(study.budgets[budget].networks), ())


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_every_study_has_these_budgets(study: Study) -> None:
    assert {"cpu", "gpu", "paper"} <= set(study.budgets) <= set(ORDER)


def test_a_seed_of_every_network_comes_before_the_next_seed(
    images: StudyImages, tmp_path: Path
) -> None:
    names = [run.name for run in plan(STUDY, "cpu", images, tmp_path, seeds=2).runs()]
    assert names == [
        *("plain20-0", "plain56-0", "resnet20-0", "resnet56-0"),
        *("plain20-1", "plain56-1", "resnet20-1", "resnet56-1"),
    ]


@pytest.mark.parametrize(
    ("study", "budget"),
    [
        pytest.param(study, budget, id=f"{study.name}-{budget}")
        for study in STUDIES
        for budget in study.budgets
    ],
)
def test_all_settings_of_a_study_are_right(
    study: Study, budget: str, images: StudyImages, tmp_path: Path
) -> None:
    for run in plan(study, budget, images, tmp_path).runs():
        config = run.config
        assert config.run.seed == run.seed
        assert Path(config.run.output_dir) == tmp_path / study.name / budget / run.name
        make_options(config.model.backbone, config.model.options.given())


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_networks_of_a_study_differ(study: Study) -> None:
    for budget in study.budgets.values():
        assert len(set(budget.networks.values())) == len(budget.networks)


def test_networks_are_chosen_in_the_order_of_the_study() -> None:
    budget = STUDY.budgets["cpu"]
    assert choose_networks(budget, ["resnet20", "plain20"]) == ("plain20", "resnet20")


def test_a_network_that_the_study_has_not_is_told() -> None:
    with pytest.raises(
        UserError, match=r"--only must name networks of the study, plain20, .*got x"
    ):
        choose_networks(STUDY.budgets["cpu"], ["x"])
