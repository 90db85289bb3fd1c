"""What all tests share: one thread a process, and the real data sets where they are."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pytest

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is first imported, here and in the processes tests start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from command_line import Commands, FinishedRun, Tools
    from small_disk import SmallDisk

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Start every test from the same random state, whatever ran before it in its process."""
    random.seed(0)
    numpy.random.seed(0)
    if "torch" in sys.modules:  # tests that do without it need not wait for its import
        sys.modules["torch"].manual_seed(0)


def _data_set(name: str) -> Path:
    """Folder of a real data set, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("RB_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(
            f"needs the data set {name}, looked for in {folder}; RB_DATA names the folder that"
            " holds it"
        )
    return folder


@pytest.fixture(scope="session")
def coco200() -> Path:
    """200 COCO images: images/{train,val}/*.jpg and annotations/instances_{train,val}.json."""
    return _data_set("coco200")


@pytest.fixture(scope="session")
def camvid() -> Path:
    """Road scenes: {train,val,test}/images/*.jpg and …/masks/*.png with values 0..11."""
    return _data_set("camvid")


@pytest.fixture(scope="session")
def bccd() -> Path:
    """364 images of blood cells as a Pascal VOC folder."""
    return _data_set("bccd")


@pytest.fixture(scope="session")
def cifar10() -> Path:
    """CIFAR-10 as train.zip and test.zip of class folders."""
    return _data_set("cifar10")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes of this session share; hold a FileLock while making
    something in it.
    """
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def shapes(shared_folder: Path) -> Path:
    """Drawn shapes, 24 training and 8 validation images of 96 pixels."""
    from filelock import FileLock

    from tasks.datasets.shapes.writing import draw_shapes

    with FileLock(shared_folder / "shapes.lock"):
        draw_shapes(shared_folder / "shapes", train=24, val=8, size=96)
    return shared_folder / "shapes"


@pytest.fixture(scope="session")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of a blue and a red rectangle, with masks."""
    from tiny_segmenter import write_masks

    return write_masks(tmp_path_factory.mktemp("masks") / "data")


@pytest.fixture(scope="session")
def finished_run(shared_folder: Path, shapes: Path) -> FinishedRun:
    """14 steps through the command line, saved every 4, scored after 8 and 14, with 2 workers, EMA
    and accumulation.
    """
    from command_line import FinishedRun, train, write_settings
    from filelock import FileLock

    overrides = ("data.workers=2", "optim.ema_decay=0.9", "optim.accumulate=2", "schedule.steps=14")
    grid = ("run.save_every=4", "run.eval_every=8")
    arguments = (str(shared_folder / "tiny.yaml"), *overrides, *grid)
    folder, printed = shared_folder / "finished", shared_folder / "finished.txt"
    with FileLock(shared_folder / "finished.lock"):
        if not printed.exists():
            write_settings(shared_folder, shapes)
            printed.write_text(train(*arguments, f"run.output_dir={folder}"))
    return FinishedRun(arguments, folder, printed.read_text())


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tools:
    """Runs a tool in this process: `tools("tools/train_det.py", "settings.yaml",
    "optim.lr=0.1")`.
    """
    from command_line import Tools

    return Tools(monkeypatch, capsys)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    """Runs a command in this process: `commands("train", "quickstart", "optim.lr=0.1")`."""
    from command_line import Commands

    return Commands(monkeypatch, capsys)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of four megabytes."""
    from small_disk import mounted

    with mounted(tmp_path / "disk") as found:
        yield found
