"""Files as people save them: in entries, under prefixes, with scores beside."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from resnet_backbones.classifier import create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.weights.converting import convert_weights
from resnet_backbones.weights.files import read_tensors
from resnet_backbones.weights.saving import save_weights

State = dict[str, Tensor]
WRAPPINGS = (
    *("state_dict", "model", "net", "model_state_dict", "ema", "model_ema", "params", "weights"),
    *("state", "blobs", "network"),
)


@pytest.fixture(scope="module")
def state() -> State:
    """A whole resnet20 with 10 classes."""
    torch.manual_seed(5)
    return create_classifier("resnet20", num_classes=10).state_dict()


def _assert_holds(path: Path, state: State) -> None:
    loaded = create_classifier("resnet20", num_classes=10, weights=str(path))
    assert all(tensor.equal(state[name]) for name, tensor in loaded.state_dict().items())


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_entries_that_hold_the_tensors_are_opened(
    state: State, tmp_path: Path, wrapping: str
) -> None:
    path = tmp_path / "file.pth"
    optimizer = {"state": {0: {"step": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    torch.save({"epoch": 3, wrapping: state, "optimizer": optimizer, "best": torch.ones(())}, path)
    _assert_holds(path, state)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": {"state_dict": {"state": state}}},
        lambda state: {"ema": {"module": state}},
        lambda state: {"net": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"model": {"lr": 0.1}, "weights": state},
        lambda state: {f"net._orig_mod.model.{name}": tensor for name, tensor in state.items()},
        lambda state: {"student": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"teacher": {f"backbone.{name}": tensor for name, tensor in state.items()}},
    ],
)
def test_nested_entries_and_prefixes_are_taken_off(
    state: State, tmp_path: Path, wrap: object
) -> None:
    torch.save(wrap(state), tmp_path / "file.pth")
    _assert_holds(tmp_path / "file.pth", state)


def test_of_several_networks_the_report_says_which_was_read(state: State, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    average = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    torch.save({"model_ema": average, "model": state}, path)
    _assert_holds(path, state)
    report = create_backbone("resnet20", weights=str(path)).report
    assert "note: the file holds model and model_ema: model was read" in str(report)


@pytest.mark.parametrize("nested", [True, False])
def test_a_student_and_a_teacher_are_refused_and_one_can_be_taken(
    state: State, tmp_path: Path, nested: bool
) -> None:
    path, target = tmp_path / "file.pth", tmp_path / "out.safetensors"
    teacher = {name: tensor + 1 for name, tensor in state.items()}
    content = {"student": state, "teacher": teacher, "epoch": 3}
    if not nested:
        content = {
            f"{who}.{n}": x for who in ("student", "teacher") for n, x in content[who].items()
        }
    torch.save(content, path)
    with pytest.raises(UserError, match=r"got student\.\S+ and teacher.*--rename teacher\.=unused"):
        create_backbone("resnet20", weights=str(path))
    convert_weights(
        path,
        target,
        to_dialect="torchvision",
        rename=[("teacher.", "unused.")],
        architecture="resnet20",
        passport_fields={"options": {"shortcut": "A"}},
    )
    _assert_holds(target, state)


@pytest.mark.parametrize(
    "score",
    [np.float64(91.7), np.float32(1), np.int64(3), np.bool_(True)],
    ids=lambda x: type(x).__name__,
)
def test_a_numpy_scalar_beside_the_tensors_is_no_reason_to_refuse(
    state: State, tmp_path: Path, score: object
) -> None:
    torch.save({"state_dict": state, "best_acc": score}, tmp_path / "file.pth")
    _assert_holds(tmp_path / "file.pth", state)


def test_numpy_1s_scalars_are_read_too(state: State, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    torch.save(
        {"state_dict": state, "best": np.float64(1)}, path, _use_new_zipfile_serialization=False
    )
    old = path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(old)
    _assert_holds(path, state)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch made",)


def test_other_objects_beside_the_tensors_are_refused_and_not_run(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": state, "best": np.float64(1), "hook": _Evil()}, "file.pth")
    with pytest.raises(UserError, match="other objects in it"):
        read_tensors("file.pth")
    assert not Path("made").exists()
    array = np.array([_Evil()], dtype=object)
    torch.save({"state_dict": state, "best": array}, "file.pth", pickle_module=pickle)
    with pytest.raises(UserError, match="other objects in it"):
        read_tensors("file.pth")


def test_a_file_may_be_read_by_whom_other_new_files_may(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    save_weights(tmp_path / "a.safetensors", create_backbone("resnet20"))
    assert (tmp_path / "a.safetensors").stat().st_mode == usual.stat().st_mode
