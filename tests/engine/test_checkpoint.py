"""Checkpoint files: what they hold, which one a folder stands for, and what is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import (
    Checkpoints,
    is_checkpoint,
    read_checkpoint,
)
from tasks.engine.optim import Ema, build_optimizer
from tasks.engine.progress import Progress
from tasks.engine.settings import OptimConfig
from tasks.files import AtomicFile


def save(
    folder: Path, names: tuple[str, ...], progress: Progress, with_ema: bool = False
) -> nn.Module:
    model = nn.Linear(2, 1)
    ema = Ema(model, 0.9) if with_ema else None
    if ema is not None:
        nn.init.zeros_(ema.model.weight)
    checkpoints = Checkpoints(folder, {"task": "toy", "label_map": {"names": ["é"]}})
    checkpoints.save(names, progress, model, ema, build_optimizer(model, OptimConfig()))
    return model


def test_everything_comes_back(tmp_path: Path) -> None:
    progress = Progress(
        7, 5, {"box/AP": float("nan"), "val/loss": 0.1}, 0.3, 5, "", {"loss": 1 / 3}
    )
    model = save(tmp_path, ("last.pt",), progress)
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert repr(checkpoint.progress) == repr(progress)  # NaN differs from itself, its text does not
    threads = {"threads": torch.get_num_threads()}
    assert checkpoint.metadata == {"task": "toy", "label_map": {"names": ["é"]}} | threads
    assert torch.equal(checkpoint.weights()["weight"], model.weight)


def test_the_file_is_tensors_and_plain_values_only(tmp_path: Path) -> None:
    save(tmp_path, ("last.pt",), Progress())
    assert set(torch.load(tmp_path / "last.pt", weights_only=True)) >= {
        "model",
        "optimizer",
        "progress",
        "metadata",
    }


def test_the_moving_average_is_the_weights_where_there_is_one(tmp_path: Path) -> None:
    save(tmp_path, ("last.pt",), Progress(), with_ema=True)
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert not checkpoint.weights()["weight"].any()
    assert checkpoint.model["weight"].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_when_they_are_used(
    tmp_path: Path, value: float
) -> None:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight[0, 1] = value
    checkpoints = Checkpoints(tmp_path, {})
    optimizer = build_optimizer(model, OptimConfig())
    checkpoints.save(("last.pt", "best.pt"), Progress(), model, None, optimizer)
    rule = r"best\.pt must hold finite weights, but 1 of 2 tensors are not: weight;"
    with pytest.raises(UserError, match=rule):
        read_checkpoint(tmp_path / "best.pt").weights()
    resumed = Checkpoints(tmp_path, {}, read_checkpoint(tmp_path / "last.pt"))
    with pytest.raises(UserError, match="finite weights"):
        resumed.restore(nn.Linear(2, 1), None, optimizer)


def test_a_folder_stands_for_its_best_checkpoint_or_the_last(tmp_path: Path) -> None:
    save(tmp_path, ("last.pt",), Progress(step=2))
    assert read_checkpoint(tmp_path).step == 2
    save(tmp_path, ("best.pt",), Progress(step=1))
    assert read_checkpoint(tmp_path).step == 1


def test_what_is_not_a_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must exist, got .*best\.pt, .*last\.pt"):
        read_checkpoint(tmp_path)
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UserError, match=r"must be a file that training wrote, got .*text\.pt"):
        read_checkpoint(tmp_path / "text.pt")
    torch.save({"weight": torch.ones(1)}, tmp_path / "bare.pt")
    with pytest.raises(
        UserError, match=r"format 2 or 1, got a file with 'weight' in .*bare\.pt; model\.weights"
    ):
        read_checkpoint(tmp_path / "bare.pt")


def test_a_checkpoint_is_told_from_bare_weights(tmp_path: Path) -> None:
    assert not is_checkpoint(tmp_path)
    save(tmp_path, ("last.pt",), Progress())
    torch.save({"weight": torch.ones(1)}, tmp_path / "bare.pt")
    assert [is_checkpoint(tmp_path / name) for name in ("", "last.pt", "bare.pt", "nothing")] == [
        True,
        True,
        False,
        False,
    ]


def test_metadata_that_is_not_json_fails_before_training(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        Checkpoints(tmp_path, {"path": tmp_path})


def test_switching_the_moving_average_on_resume_is_refused(tmp_path: Path) -> None:
    save(tmp_path, ("last.pt",), Progress(step=2), with_ema=True)
    model = nn.Linear(2, 1)
    resumed = read_checkpoint(tmp_path / "last.pt")
    checkpoints = Checkpoints(tmp_path, {"label_map": {"names": ["é"]}}, resumed)
    with pytest.raises(UserError, match=r"optim\.ema_decay must stay"):
        checkpoints.restore(model, None, build_optimizer(model, OptimConfig()))


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with AtomicFile(path) as file:
            file.write(b"new")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
