"""A training on a disk that is full, read-only or gone (fault_campaign 20 and 21)."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from command_line import state
from small_disk import BLOCK, SmallDisk
from torch import nn

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.launch import launch
from tasks.engine.room import check_room
from tasks.engine.settings import OptimConfig
from tasks.engine.sinks import Row, Sink

AUTO = "run.resume=auto"
SLOW = pytest.mark.slow
CASES = (
    pytest.param(4, 0, marks=SLOW),
    pytest.param(6, 0, marks=SLOW),
    pytest.param(10, 0, marks=SLOW),
    (10, BLOCK),
)
"""Steps after which the disk is full, but for so many bytes."""


class At(Sink):
    """Calls something once the row of a step is there."""

    def __init__(self, step: int, call: Callable[[], object]) -> None:
        self.step = step
        self.call = call

    def row(self, added: Row, whole: Row, *, is_new: bool) -> None:
        if whole["step"] == self.step and is_new:
            self.call()


Train = Callable[..., None]


@pytest.fixture
def train(toy: ModuleType) -> Train:
    """Trains the toy in a folder."""

    def start(folder: Path, *overrides: str, sinks: tuple[Sink, ...] = ()) -> None:
        launch(toy.toy_config(folder, *overrides), toy.route, sinks)

    return start


@pytest.mark.parametrize(("step", "left"), CASES)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's
def test_a_disk_that_fills_up_ends_a_run_in_one_line_and_loses_nothing(
    train: Train, disk: SmallDisk, tmp_path: Path, step: int, left: int
) -> None:
    folder = disk.folder / "run"
    with pytest.raises(UserError, match=r"No space left on device, .* free there; make room") as e:
        train(folder, sinks=(At(step, lambda: disk.fill(left)),))
    assert str(e.value).startswith(f"{folder}/")
    assert read_checkpoint(folder / "last.pt").step in (3, 6, 9)
    assert list(folder.glob(".*.partial")) == []
    disk.clear()
    train(folder, AUTO)
    train(tmp_path / "straight")
    ours, straight = (state(path / "last.pt") for path in (folder, tmp_path / "straight"))
    assert all(bool((ours[name] == straight[name]).all()) for name in straight)


def test_a_run_is_not_begun_on_a_full_disk(train: Train, disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(UserError, match="No space left on device, 0 kB free there"):
        train(disk.folder / "run")
    assert not (disk.folder / "run").exists()


def test_a_run_is_not_resumed_on_a_full_disk(train: Train, disk: SmallDisk) -> None:
    train(disk.folder / "run", "schedule.steps=12")
    before = (disk.folder / "run/last.pt").read_bytes()
    disk.fill()
    with pytest.raises(UserError, match="No space left on device, 0 kB free there"):
        train(disk.folder / "run", AUTO)
    assert (disk.folder / "run/last.pt").read_bytes() == before


def test_checkpoints_without_room_are_refused_before_training(
    train: Train, disk: SmallDisk
) -> None:
    train(disk.folder / "run")
    disk.fill(BLOCK)  # a checkpoint of the toy takes more
    with pytest.raises(UserError, match=r"have room for checkpoints, \d+ kB, but 4 kB are free"):
        train(disk.folder / "run", AUTO)


def test_room_for_new_checkpoints_is_computed_by_hand(tmp_path: Path) -> None:
    model = nn.Linear(1 << 20, 1 << 20, bias=False, device="meta")  # 2**42 bytes
    optim = OptimConfig(name="adamw", ema_decay=0.9)
    # the last one, of weights, their average and two moments, twice; and the best one
    expected = (2 * 4 + 2) * 2**42 / 1e9
    with pytest.raises(UserError, match=f"room for checkpoints, {expected:.1f} GB, but"):
        check_room(tmp_path, model, optim, None)


def test_a_run_is_not_begun_on_a_disk_that_is_only_read(train: Train, disk: SmallDisk) -> None:
    disk.protect()
    with pytest.raises(UserError, match="Read-only file system") as error:
        train(disk.folder / "run")
    assert "choose another place, or change who may write there" in str(error.value)


def test_a_folder_that_vanishes_is_not_made_anew(train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(UserError, match="No such file or directory") as error:
        train(folder, sinks=(At(4, lambda: shutil.rmtree(folder)),))
    assert "bring its folder back" in str(error.value)
    assert not (folder / "last.pt").exists()


def test_a_folder_with_files_of_the_user_is_no_runs(train: Train, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("my notes")
    for resume in ("run.resume=never", AUTO):
        with pytest.raises(UserError, match=r"not a run.s folder but holds report\.html"):
            train(tmp_path, resume)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
