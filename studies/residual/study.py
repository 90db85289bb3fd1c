"""A study: its networks, seeds and schedules, and the settings of each training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_backbones.errors import UserError
from studies.common import check_run
from studies.residual.points import Origin
from studies.residual.schedules import Schedule
from studies.residual.subsets import Archive, StudyImages
from tasks.classification.config import ClassificationConfig
from tasks.cli.train import read_recipe

Settings = tuple[str, ...]
"""Overrides `section.key=value`; the last one wins."""
RECIPE = "cifar_resnet20"
"""Recipe with the augmentation, optimiser and schedule of He et al. 2016, section 4.2."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Networks, length and numbers of images that fit a kind of machine."""

    schedule: Schedule
    networks: Mapping[str, Settings]
    """Settings of each network, by its name in the tables."""
    seeds: int
    train_images: int | None = None
    """Number of training images; None for all."""
    train_scored: int | None = None
    """Number of them that are scored on the way; None for all."""
    test_scored: int | None = None
    """Number of test images that are scored on the way; None for all."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and the trainings that answer it."""

    name: str
    title: str
    question: str
    """A paragraph for the page."""
    budgets: Mapping[str, Budget]
    measures: tuple[str, ...] = ("training error", "training error, all images", "test error")
    """Measures that the page shows tables of."""


@dataclass(frozen=True)
class Run:
    """One training of a study."""

    network: str
    seed: int
    config: ClassificationConfig
    origin: Origin
    overrides: Settings

    @property
    def name(self) -> str:
        """Name of the folder."""
        return f"{self.network}-{self.seed}"

    @property
    def folder(self) -> Path:
        """Folder of everything that the run writes."""
        return Path(self.config.run.output_dir)


@dataclass(frozen=True)
class Plan:
    """A study at a budget, with its images and folders."""

    study: Study
    budget_name: str
    images: StudyImages
    out: Path
    seeds: int
    networks: tuple[str, ...]
    """Networks of the budget that are trained."""
    overrides: Settings
    """Overrides of the command line, for all trainings."""

    @property
    def budget(self) -> Budget:
        """The budget of that name."""
        return self.study.budgets[self.budget_name]

    def train_archive(self) -> Archive:
        """Archive of the training images."""
        return self.images.archive("train", self.budget.train_images)

    def runs(self) -> list[Run]:
        """All trainings, with a seed of every network before the next seed.

        UserError for wrong settings, and for a folder that holds a training with other settings.
        """
        pairs = ((network, seed) for seed in range(self.seeds) for network in self.networks)
        return [self._run(network, seed) for network, seed in pairs]

    def _run(self, network: str, seed: int) -> Run:
        overrides = tuple(self._overrides(network, seed))
        _, config = read_recipe(RECIPE, overrides)
        check_run(config)
        budget = self.budget
        train = self.train_archive().images
        scored = config.data.train_scored
        origin = Origin(
            study=self.study.name,
            budget=self.budget_name,
            network=network,
            seed=seed,
            batch_size=config.batch_size,
            train_images=train,
            train_scored=train if scored is None else min(scored, train),
            test_scored=self.images.archive("val", budget.test_scored).images,
            full_test=self.images.archive("val").images,
        )
        return Run(network, seed, config, origin, overrides)

    def _overrides(self, network: str, seed: int) -> Iterator[str]:
        budget = self.budget
        scored = "null" if budget.train_scored is None else budget.train_scored
        yield f'data.train="{self.train_archive().path}"'
        yield f'data.val="{self.images.archive("val", budget.test_scored).path}"'
        yield f"data.train_scored={scored}"
        yield "data.holdout=0"
        yield "run.eval_sets=[val, train]"
        yield from budget.schedule.settings
        yield from budget.networks[network]
        yield from self.overrides
        yield f"run.seed={seed}"
        yield f'run.output_dir="{self.out / self.study.name / self.budget_name}/{network}-{seed}"'
        yield "run.resume=auto"


def choose_networks(budget: Budget, only: Sequence[str]) -> tuple[str, ...]:
    """The networks of `only`, or all if it is empty; UserError for an unknown one."""
    unknown = [name for name in only if name not in budget.networks]
    if unknown:
        known = ", ".join(budget.networks)
        raise UserError(f"--only must name networks of the study, {known}, got {unknown[0]}")
    return tuple(name for name in budget.networks if not only or name in only)
