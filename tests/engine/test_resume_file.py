"""run.resume=FILE: a run goes on from any last.pt or step_N.pt, there or in another folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from toy_outcome import assert_same_run, rows

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.distributed import World

WORLD = World(0, 0, 1, torch.device("cpu"))
SETTINGS = ("optim.ema_decay=0.9", "run.keep_every=4", "run.eval_every=3")


@pytest.fixture(scope="module")
def straight(toy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("straight")
    toy.run(toy.toy_config(folder, *SETTINGS), WORLD)
    assert [row["step"] for row in rows(folder)] == [2, 3, 4, 6, 8, 9, 10, 12]
    return folder


def resume(toy: ModuleType, folder: Path, file: Path, *changes: str) -> None:
    config = toy.toy_config(folder, *SETTINGS, f"run.resume={file}", *changes)
    toy.run(config, WORLD)


@pytest.mark.parametrize("name", ["step_4.pt", "step_8.pt"])
def test_another_folder_ends_as_the_uninterrupted_run(
    toy: ModuleType, straight: Path, tmp_path: Path, name: str
) -> None:
    before = {path.name: path.read_bytes() for path in straight.glob("*.*")}
    resume(toy, tmp_path / "new", straight / name)
    assert_same_run(tmp_path / "new", straight)
    assert {path.name: path.read_bytes() for path in straight.glob("*.*")} == before


@pytest.mark.slow
def test_two_ranks_resume_from_a_file(run_two_ranks: Callable, tmp_path: Path) -> None:
    straight = tmp_path / "straight"
    run_two_ranks(f"run.output_dir={straight}", *SETTINGS)
    resumed = (f"run.output_dir={tmp_path / 'new'}", f"run.resume={straight / 'step_8.pt'}")
    finished = run_two_ranks(*resumed, *SETTINGS)
    assert finished.returncode == 0, finished.stderr
    assert_same_run(tmp_path / "new", straight)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_run_killed_before_its_first_save_goes_on_from_the_file(
    toy: ModuleType, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"
    with monkeypatch.context() as patch:
        patch.setattr(toy.ToyObjective, "forward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            resume(toy, folder, straight / "step_4.pt")
    assert read_checkpoint(folder / "last.pt").step == 4
    toy.run(toy.toy_config(folder, *SETTINGS, "run.resume=auto"), WORLD)
    assert_same_run(folder, straight)


def test_its_own_folder_with_later_checkpoints_is_refused(toy: ModuleType, straight: Path) -> None:
    rule = r"step_4\.pt of step 4 .* if it is the latest, but there are also last\.pt \(step 12\), "
    rule += r"best\.pt \(step \d+\), step_12\.pt .*choose another run\.output_dir, or move them"
    with pytest.raises(UserError, match=rule):
        resume(toy, straight, straight / "step_4.pt")


def test_its_own_folder_without_later_checkpoints_goes_on(
    toy: ModuleType, straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last.pt was lost; rows of later steps are left out with a note."""
    folder = Path(shutil.copytree(straight, tmp_path / "own"))
    for name in ("last.pt", "step_8.pt", "step_12.pt", "best.pt"):
        (folder / name).unlink()
    resume(toy, folder, folder / "step_4.pt")
    assert (
        "metrics.jsonl: 5 rows after step 4 are left out and run again" in capsys.readouterr().out
    )
    assert rows(folder) == rows(straight)
    last = read_checkpoint(folder / "last.pt")
    assert all(
        torch.equal(tensor, last.model[name])
        for name, tensor in read_checkpoint(straight / "last.pt").model.items()
    )


def test_the_last_checkpoint_of_a_folder_is_what_auto_takes(
    toy: ModuleType, straight: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(straight, tmp_path / "own"))
    shutil.copy(folder / "step_8.pt", folder / "last.pt")
    for name in ("step_12.pt", "best.pt"):
        (folder / name).unlink()
    resume(toy, folder, folder / "last.pt")
    assert rows(folder) == rows(straight)


def test_a_used_folder_is_refused(toy: ModuleType, straight: Path, tmp_path: Path) -> None:
    (tmp_path / "best.pt").touch()
    rule = r"unused, or the folder of .*step_4\.pt, got .* which holds best\.pt; choose another"
    with pytest.raises(UserError, match=rule):
        resume(toy, tmp_path, straight / "step_4.pt")


def test_the_best_checkpoint_is_refused_with_what_to_do(
    toy: ModuleType, straight: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"start another run from its weights: model\.weights=.*/best\.pt"
    ):
        resume(toy, tmp_path / "new", straight / "best.pt")
    assert not (tmp_path / "new").exists()


def test_a_best_checkpoint_that_stays_elsewhere_is_found_anew(
    toy: ModuleType, straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "alone").mkdir()
    file = Path(shutil.copy(straight / "step_8.pt", tmp_path / "alone"))
    resume(toy, tmp_path / "new", file)
    assert "best.pt of step 6 is not in" in capsys.readouterr().out
    assert read_checkpoint(tmp_path / "new" / "best.pt").step in (9, 12)


@pytest.mark.parametrize("value", ["atuo", "runs/x", "always"])
def test_a_mistyped_value_is_refused(toy: ModuleType, tmp_path: Path, value: str) -> None:
    with pytest.raises(UserError, match=r"run\.resume must be never, auto or the path of a check"):
        toy.toy_config(tmp_path, f"run.resume={value}")


def test_a_file_that_is_not_there_is_named(toy: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a checkpoint must exist, got .*step_3\.pt"):
        resume(toy, tmp_path / "new", tmp_path / "step_3.pt")
