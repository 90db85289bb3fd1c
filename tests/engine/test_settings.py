"""A task's own defaults, optional sections, saved settings of other versions, what may change."""

import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from resnet_backbones.errors import UserError
from tasks.detection.config import DetectionConfig, RpnConfig
from tasks.engine.config import (
    UnknownSettingWarning,
    from_saved,
    load_config,
    to_saved,
    to_yaml,
    with_overrides,
)
from tasks.engine.setting_declarations import changeable, may_change, require
from tasks.engine.setting_help import describe
from tasks.engine.settings import OptimConfig, RunConfig, ScheduleConfig, TaskSettings


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    """Version 1 called head.width `size`."""
    head = dict(values.get("head") or {})
    if "size" in head:
        head["width"] = head.pop("size")
    return {**values, "head": head or None}


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """A part that may be absent."""

    width: int = 64
    """Width."""
    sizes: tuple[int, ...] = (1, 2)
    """Sizes."""

    def __post_init__(self) -> None:
        require(self.width > 0, "head.width must be > 0", self.width)


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(TaskSettings):
    """A task with defaults of its own."""

    UPGRADES: ClassVar = (renamed,)

    folder: str = may_change("here")
    """A folder."""
    head: HeadConfig | None = None
    """An optional head."""
    optim: OptimConfig = field(default_factory=partial(OptimConfig, lr=0.1, reference_batch=256))
    """Optimiser."""
    schedule: ScheduleConfig = field(default_factory=partial(ScheduleConfig, steps=600))
    """Schedule."""
    run: RunConfig = field(default_factory=partial(RunConfig, best_metric="val/top1"))
    """Run."""

    @property
    def batch_size(self) -> int:
        return 256


def load(*overrides: str, path: Path | None = None) -> ClassifierConfig:
    return load_config(ClassifierConfig, path, overrides)


def test_an_override_leaves_the_tasks_other_defaults_alone() -> None:
    config = load("optim.momentum=0.8", "run.seed=3")
    assert (config.optim.lr, config.optim.reference_batch, config.optim.momentum) == (0.1, 256, 0.8)
    assert (config.run.best_metric, config.run.seed) == ("val/top1", 3)
    assert from_saved(ClassifierConfig, {"optim": {"clip_norm": 1.0}}, "a test").optim.lr == 0.1


def test_help_shows_the_tasks_defaults_and_a_recipes_values() -> None:
    text = describe(ClassifierConfig())
    assert "  optim.lr = 0.1  (a number)" in text
    assert "  run.best_metric = val/top1  (a text)" in text
    assert "  schedule.steps = 600  (a whole number)" in text
    assert "head: An optional head. (null unless one of these is set)" in text
    assert "  head.width = 64  (a whole number)" in text
    assert "  optim.lr = 0.5  (a number)" in describe(load("optim.lr=0.5"))


def test_detections_defaults_are_detectron2s() -> None:
    config = load_config(DetectionConfig, None, ["optim.momentum=0.8"])
    assert (config.optim.lr, config.optim.reference_batch) == (0.02, 16)
    assert (config.schedule.steps, config.schedule.milestones) == (90_000, (60_000, 80_000))
    assert config.run.best_metric == "box/AP"


def test_a_section_may_be_absent(tmp_path: Path) -> None:
    assert load().head is None
    assert load("head.width=28").head == HeadConfig(width=28)
    assert load("head.width=28", "head=null").head is None
    assert load("head=null", "head.sizes=[5]").head == HeadConfig(sizes=(5,))
    (tmp_path / "r.yaml").write_text("head:\n  width: 3\n")
    assert load("head.sizes=[7]", path=tmp_path / "r.yaml").head == HeadConfig(width=3, sizes=(7,))
    config = load("head.width=28")
    assert from_saved(ClassifierConfig, to_saved(config), "a test") == config
    with pytest.raises(UserError, match=r"head\.width must be > 0, got 0"):
        load("head.width=0")
    with pytest.raises(UserError, match=r"did you mean head\.width"):
        load("head.widht=0")


def test_an_error_names_only_the_override_it_is_about() -> None:
    message = r"optim\.lr must be > 0, got 0\.0 \(set in override optim\.lr=0\)$"
    with pytest.raises(UserError, match=message):
        load("optim.momentum=0.5", "optim.lr=0", "optim.accumulate=2")


@pytest.mark.parametrize(
    "text", ["runs/${x}", "${", "\\${a}", "\\\\${", "$", "~x", "1e3", "null", "a: b"]
)
def test_a_saved_text_is_read_back_as_it_was(text: str, tmp_path: Path) -> None:
    config = load(f'folder="{text}"')
    assert config.folder == text
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert load(path=tmp_path / "config.yaml") == config


def test_null_is_no_text() -> None:
    with pytest.raises(UserError, match="folder must be a text, got None"):
        load("folder=null")


def test_a_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    (tmp_path / "r.yaml").write_text("folder: ~/data\n")
    assert load(path=tmp_path / "r.yaml").folder == "/home/someone/data"
    assert load("folder=~").folder == "/home/someone"
    assert load("folder=a~/b").folder == "a~/b"


def test_saved_settings_say_their_version_and_older_ones_are_upgraded() -> None:
    config = load("head.width=3")
    assert to_saved(config)["settings_version"] == 2
    assert from_saved(ClassifierConfig, to_saved(config), "x") == config
    old = {"head": {"size": 9}, "optim": {"lr": 0.3}}
    assert from_saved(ClassifierConfig, old, "x").head == HeadConfig(width=9)
    with pytest.raises(UserError, match="settings_version must be a whole number from 1, got 'x'"):
        from_saved(ClassifierConfig, {"settings_version": "x"}, "last.pt")


def test_an_unknown_key_is_a_warning_in_a_saved_file_and_an_error_in_a_users(
    tmp_path: Path,
) -> None:
    values = {**to_saved(load("optim.lr=0.7")), "novelty": {"deep": 1}}
    values["optim"]["fancy"] = True
    with pytest.warns(UnknownSettingWarning, match=r"last\.pt holds .*optim\.fancy, novelty\.deep"):
        config = from_saved(ClassifierConfig, values, "last.pt")
    assert config == load("optim.lr=0.7")
    (tmp_path / "user.yaml").write_text("optim:\n  fancy: true\n")
    with pytest.raises(UserError, match=r"optim\.fancy is not a setting, seen in .*user\.yaml"):
        load(path=tmp_path / "user.yaml")


def test_a_runs_config_yaml_is_a_saved_file(tmp_path: Path) -> None:
    """Those of 0.1.0 have no version; a checkpoint beside them tells what they are."""
    (tmp_path / "config.yaml").write_text("optim:\n  lr: 0.7\n  fancy: true\nhead:\n  size: 5\n")
    with pytest.raises(UserError, match=r"optim\.fancy is not a setting"):
        load(path=tmp_path / "config.yaml")
    (tmp_path / "last.pt").touch()
    with pytest.warns(UnknownSettingWarning, match=r"optim\.fancy"):
        config = load("run.seed=4", path=tmp_path / "config.yaml")
    assert (config.optim.lr, config.head, config.run.seed) == (0.7, HeadConfig(width=5), 4)
    (tmp_path / "other.yaml").write_text(to_yaml(config))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path=tmp_path / "other.yaml") == config


def test_a_setting_that_is_gone_says_so() -> None:
    with pytest.raises(UserError, match=r"model\.fast is not a setting any more, .*by itself"):
        load_config(DetectionConfig, None, ["model.fast=false"])


def test_settings_that_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("schedule:\n  steps: 50\n")
    schedule = load("schedule.epochs=3", path=tmp_path / "r.yaml").schedule
    assert (schedule.epochs, schedule.steps) == (3.0, 600)  # the file's steps no longer count
    (tmp_path / "e.yaml").write_text("schedule:\n  epochs: 3\n")
    schedule = load("schedule.steps=70", path=tmp_path / "e.yaml").schedule
    assert (schedule.epochs, schedule.steps) == (None, 70)
    message = r"schedule\.\w+ and schedule\.\w+ exclude each other, got both"
    with pytest.raises(UserError, match=message):
        load("schedule.steps=70", "schedule.minutes=3")
    (tmp_path / "both.yaml").write_text("schedule:\n  epochs: 3\n  steps: 5\n")
    with pytest.raises(UserError, match=message):
        load(path=tmp_path / "both.yaml")
    assert load("schedule.steps=70", "schedule.epochs=null").schedule.steps == 70
    by_epochs = load("schedule.epochs=3")
    assert with_overrides(by_epochs, ["schedule.steps=70"]).schedule.epochs is None
    assert with_overrides(by_epochs, ["schedule.minutes=7"]).schedule.epochs is None


def test_each_setting_says_whether_a_resumed_run_may_change_it() -> None:
    free = set(changeable(DetectionConfig()))
    assert {"run.compile", "run.eval_every", "data.root", "data.val.limit", "data.workers"} <= free
    assert {"model.checkpoint_activations", "data.train.images", "run.best_metric"} <= free
    assert not {"optim.lr", "data.train.limit", "run.seed", "run.precision"} & free


@pytest.mark.parametrize(
    ("model", "free"),
    [
        ({"norm": "group"}, True),
        ({"norm": "frozen"}, True),
        ({"weights": "r50.pth"}, True),
        ({}, False),  # batch norm, from scratch
        ({"norm": "sync"}, False),
        ({"norm": "group", "rpn": RpnConfig(normalizer="sampled")}, False),
    ],
)
def test_micro_batches_may_change_where_they_change_nothing(
    model: dict[str, Any], free: bool
) -> None:
    default = DetectionConfig()
    config = replace(default, model=replace(default.model, **model))
    assert ("optim.accumulate" in set(changeable(config))) == free


def test_evaluations_stay_where_the_schedule_follows_them() -> None:
    assert "run.eval_every" in set(changeable(load()))
    assert "run.eval_every" not in set(changeable(load("schedule.name=plateau")))
