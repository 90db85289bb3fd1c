"""A damaged checkpoint is noticed, or what is read of it is what was saved."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import Checkpoint, Checkpoints, read_checkpoint
from tasks.engine.digest import digest_of
from tasks.engine.optim import Ema, build_optimizer
from tasks.engine.progress import Progress
from tasks.engine.schedule import Evaluation
from tasks.engine.settings import OptimConfig

FLIPS = 50
NAMES = ("last.pt", "best.pt", "step_2.pt")
PROGRESS = Progress(
    step=2,
    scores={"val/top1": 0.5},
    best=0.5,
    window={"loss": 1 / 3},
    history=(Evaluation(2, {"val/top1": 0.5}),),
)


@pytest.fixture(scope="module", params=["small", "large"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny net, of whose file half is structure, and one of a larger, nearly all
    weights.
    """
    folder: Path = tmp_path_factory.mktemp(request.param)
    width = 2 if request.param == "small" else 200
    model = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 9, 3))
    model.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(model, OptimConfig(name="adamw"))
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    metadata = {"task": "toy", "label_map": {"names": ["é"]}, "config": {"settings_version": 1}}
    Checkpoints(folder, metadata).save(NAMES, PROGRESS, model, Ema(model, 0.9), optimizer)
    return folder


def everything(checkpoint: Checkpoint) -> dict[str, Any]:
    """All that can be read of a file."""
    optimizer = checkpoint.optimizer if checkpoint.is_resumable else None
    return {
        "progress": checkpoint.progress.to_json(),
        "metadata": checkpoint.metadata,
        "model": checkpoint.model,
        "ema": checkpoint.ema,
        "optimizer": optimizer,
    }


def read(path: Path) -> dict[str, Any] | None:
    """All of a file, or None where that is refused; any other error is a fault."""
    try:
        return everything(read_checkpoint(path))
    except UserError:
        return None


@pytest.mark.parametrize("name", NAMES)
def test_single_flipped_bits(saved: Path, name: str, tmp_path: Path) -> None:
    whole = (saved / name).read_bytes()
    expected = digest_of(everything(read_checkpoint(saved / name)))
    draw = random.Random(f"{saved.name} {name}")
    noticed = 0
    for _ in range(FLIPS):
        bytes_ = bytearray(whole)
        place = draw.randrange(len(bytes_))
        bytes_[place] ^= 1 << draw.randrange(8)
        (tmp_path / name).write_bytes(bytes_)
        found = read(tmp_path / name)
        if found is None:
            noticed += 1
        else:
            assert digest_of(found) == expected, f"byte {place} of {len(whole)}"
    assert noticed > FLIPS / 4


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_truncated_file(saved: Path, share: float, tmp_path: Path) -> None:
    whole = (saved / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(whole[: int(share * len(whole))])
    for step in (9, 10):
        shutil.copy(saved / "step_2.pt", tmp_path / f"step_{step}.pt")
    (tmp_path / "step_11.pt").touch()  # damaged too
    shutil.copy(saved / "best.pt", tmp_path)
    whole = "step_10.pt and best.pt beside it are intact"
    way_out = f"{whole}: run.resume={tmp_path}/step_10.pt continues from there in another run"
    with pytest.raises(UserError, match=rf"last\.pt is damaged \(.*\); {way_out}"):
        everything(read_checkpoint(tmp_path / "last.pt"))


def test_a_damaged_file_alone_says_so(saved: Path, tmp_path: Path) -> None:
    whole = (saved / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"; use a copy, as no other checkpoint of its folder is"):
        read_checkpoint(tmp_path / "last.pt")


def test_a_damaged_file_of_another_name_is_called_so_too(saved: Path, tmp_path: Path) -> None:
    whole = (saved / "last.pt").read_bytes()
    (tmp_path / "kept.pt").write_bytes(whole[: len(whole) // 2])
    shutil.copy(saved / "best.pt", tmp_path)
    way_out = "best.pt beside it is intact: model.weights=.*/best.pt starts from its weights"
    with pytest.raises(UserError, match=rf"kept\.pt is damaged \(.*\); {way_out}"):
        everything(read_checkpoint(tmp_path / "kept.pt"))


def test_a_sound_file_with_other_objects_is_not_called_damaged(tmp_path: Path) -> None:
    torch.save({"model": Path("somebody's class")}, tmp_path / "theirs.pt")
    with pytest.raises(UserError, match=r"must be a file that training wrote, got .*theirs\.pt"):
        read_checkpoint(tmp_path / "theirs.pt")


def test_a_file_that_may_not_be_read_is_not_called_damaged(saved: Path, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "last.pt"))

    shutil.copy(saved / "last.pt", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", refuse)
        with pytest.raises(PermissionError):
            read_checkpoint(tmp_path / "last.pt")


def test_the_texts_are_read_without_the_tensors(saved: Path, tmp_path: Path) -> None:
    """Damage among the weights does not matter to who reads the metadata only."""
    whole = bytearray((saved / "last.pt").read_bytes())
    weight = read_checkpoint(saved / "last.pt").model["0.weight"]
    part = weight.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
    place = whole.index(part) + len(part) // 2
    whole[place] ^= 1
    (tmp_path / "last.pt").write_bytes(whole)
    shutil.copy(saved / "step_2.pt", tmp_path)
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert checkpoint.metadata["task"] == "toy"
    assert checkpoint.progress == PROGRESS
    message = r"last\.pt is damaged \(its model differs from what was saved\); step_2\.pt beside"
    with pytest.raises(UserError, match=message):
        _ = checkpoint.model


def test_the_best_checkpoint_is_for_use_and_not_for_resuming(saved: Path) -> None:
    sizes = {name: (saved / name).stat().st_size for name in NAMES}
    assert sizes["last.pt"] == sizes["step_2.pt"] > sizes["best.pt"]
    checkpoint = read_checkpoint(saved / "best.pt")
    assert not checkpoint.is_resumable
    assert checkpoint.weights().keys() == checkpoint.model.keys()
    with pytest.raises(UserError, match=r"start from its weights: model\.weights=.*best\.pt"):
        _ = checkpoint.optimizer


def test_a_file_of_a_newer_version_says_so(saved: Path, tmp_path: Path) -> None:
    content = torch.load(saved / "last.pt", weights_only=True)
    torch.save(content | {"format": 3}, tmp_path / "last.pt")
    with pytest.raises(UserError, match=r"format 2 or 1, got format 3 in .*; update the toolkit"):
        read_checkpoint(tmp_path / "last.pt")


def test_progress_of_a_newer_version_is_read_with_a_warning() -> None:
    text = PROGRESS.to_json().replace('"step"', '"novelty": 1, "step"', 1)
    with pytest.warns(UserWarning, match="novelty"):
        assert Progress.from_json(text) == PROGRESS


def test_another_networks_checkpoint_is_refused(saved: Path, tmp_path: Path) -> None:
    shutil.copy(saved / "last.pt", tmp_path / "last.pt")
    model = nn.Linear(2, 2)
    resumed = read_checkpoint(tmp_path / "last.pt")
    checkpoints = Checkpoints(tmp_path, {}, resumed)
    with pytest.raises(UserError, match=r"last\.pt must hold the weights of this network"):
        checkpoints.restore(model, Ema(model, 0.9), build_optimizer(model, OptimConfig()))


def test_a_resume_loads_the_file_once(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[object] = []
    load = torch.load
    monkeypatch.setattr(
        torch, "load", lambda *args, **named: loads.append(args) or load(*args, **named)
    )
    everything(read_checkpoint(saved / "last.pt"))
    assert len(loads) == 1
