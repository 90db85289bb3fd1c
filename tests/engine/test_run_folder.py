"""A used folder is refused, a resumed run may change little, and the folder says what made it."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import GROUPS, Group, write_checkpoint
from tasks.engine.config import load_config, to_saved
from tasks.engine.distributed import World
from tasks.engine.launch import launch
from tasks.engine.progress import Progress
from tasks.engine.run_folder import describe_environment, prepare_output_dir
from tasks.engine.settings import TaskSettings

WORLD = World(0, 0, 1, torch.device("cpu"))


def prepare(toy: ModuleType, folder: Path, *overrides: str) -> Path:
    config = toy.toy_config(folder, *overrides)
    return prepare_output_dir(config.run, WORLD, config)


def save(folder: Path, config: TaskSettings, step: int = 0) -> None:
    """Write a last.pt of a run with these settings."""
    metadata = json.dumps({"task": "toy", "config": to_saved(config)})
    groups = {name: Group.of({}) for name in GROUPS}
    write_checkpoint(folder / "last.pt", Progress(step=step), metadata, groups)


def test_a_fresh_folder_gets_settings_and_environment(toy: ModuleType, tmp_path: Path) -> None:
    folder = prepare(toy, tmp_path / "a" / "b", "optim.lr=0.3")
    assert load_config(toy.ToyConfig, folder / "config.yaml", []) == toy.toy_config(
        folder, "optim.lr=0.3"
    )
    (start,) = json.loads((folder / "environment.json").read_text())
    assert {"command", "commit", "versions", "processor", "device", "processes"} <= set(start)


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("config.yaml", "starts that run again"),
        ("metrics.jsonl", "starts that run again"),
        ("last.pt", "continues"),
    ],
)
def test_a_used_folder_is_refused(toy: ModuleType, tmp_path: Path, name: str, way_out: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=f"must be unused, got .*{name}; run.resume=auto {way_out}"):
        prepare(toy, tmp_path)


def test_a_folder_with_other_files_is_used(toy: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert prepare(toy, tmp_path) == tmp_path


def test_a_file_in_place_of_the_folder_is_refused(toy: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="must be a folder"):
        prepare(toy, tmp_path / "file")


def test_a_resume_that_changes_what_is_learnt_is_refused_by_name(
    toy: ModuleType, tmp_path: Path
) -> None:
    save(tmp_path, toy.toy_config(tmp_path))
    changes = ("run.resume=auto", "optim.lr=0.4", "norm=batch", "run.log_every=1")
    message = r"norm=group, now batch; optim\.lr=0\.05, now 0\.4; give the old values"
    with pytest.raises(UserError, match=message) as error:
        prepare(toy, tmp_path, *changes)
    assert "log_every" not in str(error.value)


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """A section that may be left out."""

    alpha: float = 0.2


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ("mixing.alpha=0.3", "mixing=null", r"mixing\.alpha=0\.3, now none"),
        ("mixing=null", "mixing.alpha=0.3", r"mixing\.alpha=none, now 0\.3"),
    ],
)
def test_a_resume_without_a_section_or_with_a_new_one_is_refused(
    toy: ModuleType, tmp_path: Path, before: str, now: str, message: str
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class MixingConfig(toy.ToyConfig):  # type: ignore[name-defined, misc]
        mixing: Mixing | None = None

    def config_with(override: str) -> TaskSettings:
        given = [f"run.output_dir={tmp_path}", *toy.SETTINGS, override, "run.resume=auto"]
        config: TaskSettings = load_config(MixingConfig, None, given)
        return config

    same = config_with(before)
    save(tmp_path, same)
    prepare_output_dir(same.run, WORLD, same)
    with pytest.raises(UserError, match=message):
        prepare_output_dir(same.run, WORLD, config_with(now))


def test_a_checkpoint_without_its_settings_file_is_held_to_its_own(
    toy: ModuleType, tmp_path: Path
) -> None:
    """Only last.pt was copied to another machine."""
    toy.run(toy.toy_config(tmp_path / "there"), WORLD)
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "there/last.pt").rename(here / "last.pt")
    with pytest.raises(UserError, match=r"optim\.lr=0\.05, now 0\.4"):
        prepare(toy, here, "run.resume=auto", "optim.lr=0.4")
    prepare(toy, here, "run.resume=auto")
    assert "lr: 0.05" in (here / "config.yaml").read_text()


def test_a_resume_may_change_how_it_is_run(toy: ModuleType, tmp_path: Path) -> None:
    save(tmp_path, toy.toy_config(tmp_path))
    prepare(
        toy,
        tmp_path,
        "run.resume=auto",
        "run.log_every=1",
        "run.best_metric=box/AR",
        "run.eval_every=3",
    )
    assert "log_every: 1" in (tmp_path / "config.yaml").read_text()


def test_without_a_checkpoint_a_resume_starts_anew_with_any_settings(
    toy: ModuleType, tmp_path: Path
) -> None:
    prepare(toy, tmp_path)
    prepare(toy, tmp_path, "run.resume=auto", "optim.lr=0.4")
    assert "lr: 0.4" in (tmp_path / "config.yaml").read_text()


@pytest.mark.parametrize("text", ["", "{}", "[1,"])
def test_a_damaged_list_of_starts_is_named(toy: ModuleType, tmp_path: Path, text: str) -> None:
    (tmp_path / "environment.json").write_text(text)
    with pytest.raises(UserError, match=r"environment\.json must be the list of the run's starts"):
        prepare(toy, tmp_path)


def test_no_repository_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_environment(WORLD)["commit"] is None


@pytest.mark.parametrize("name", ["best.pt", "step_4.pt"])
def test_a_lost_last_checkpoint_is_not_taken_for_a_new_run(
    toy: ModuleType, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=f"needs the last.pt of .* has {name}, and no last.pt; put"):
        prepare(toy, tmp_path, "run.resume=auto")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_last_checkpoint_on_a_disk_that_is_not_there_is_named(
    toy: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "last.pt").symlink_to("/elsewhere/last.pt")
    with pytest.raises(UserError, match=r"/elsewhere/last\.pt, which does not exist; mount"):
        prepare(toy, tmp_path, "run.resume=auto")


def test_odd_names_of_folders_are_taken_as_typed(toy: ModuleType, tmp_path: Path) -> None:
    """fault_campaign 9: each was read as YAML, which changed it."""
    folder = tmp_path
    for name in ("exp #2", "&x y", "blank ", "two\nlines", "${HOME}", "it's", "null", "1e3"):
        folder = folder / name
    for resume in ("never", "auto"):  # which reads config.yaml again
        config = toy.toy_config(folder, "schedule.steps=1", f"run.resume={resume}")
        assert launch(config, toy.route).folder == folder
    assert (folder / "last.pt").is_file()
    assert load_config(toy.ToyConfig, folder / "config.yaml", []).run.output_dir == str(folder)
