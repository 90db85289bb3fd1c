"""A classifier's run that was killed ends as one that was not, whatever holds its images."""

from pathlib import Path

import pytest
import torch
from class_data import KINDS
from tiny_classifier import tiny_config
from torch import Tensor

from tasks.classification.config import ClassificationConfig
from tasks.classification.losses import ClassificationObjective
from tasks.classification.train import run
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.launch import launch

NOISY = {  # a network with dropout and drop path, and everything that is drawn
    "model__backbone": "resnetv2_20",
    "model__options__order": "original",
    "model__options__gate": "dropout",
    "model__options__drop_path": 0.2,
    "augment__erase": 0.5,
    "augment__mixup": 0.2,
    "augment__cutmix": 1.0,
    "augment__lighting": 0.1,
    "augment__policy": "rand-m7-n2-mstd0.5-inc1",
    "augment__color_jitter": 0.2,
    "optim__accumulate": 2,
    "optim__bias_weight_decay": 0,
    "optim__ema_decay": 0.9,
    "run__save_every": 2,
}
DECODED = {
    "data__decoded": True,
    "augment__lighting": 0,
    "augment__policy": "null",
    "augment__color_jitter": 0,
    "augment__cutout": 6,
    "augment__erase": 0,
}


class KilledError(Exception):
    pass


def tensors(folder: Path) -> dict[str, Tensor]:
    saved = read_checkpoint(folder / "last.pt")
    kept: dict[str, Tensor] = {}
    for index, state in saved.optimizer["state"].items():
        for name, value in state.items():
            kept[f"{index}.{name}"] = torch.as_tensor(value)
    averages = {f"ema.{name}": tensor for name, tensor in (saved.ema or {}).items()}
    return {**saved.model, **averages, **kept}


def killed(config: ClassificationConfig, micro_batch: int) -> None:
    """Start a run that ends in the middle of a step."""
    forward = ClassificationObjective.forward
    left = [micro_batch]

    def dying(self, batch):  # type: ignore[no-untyped-def]
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return forward(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassificationObjective, "forward", dying)
        with pytest.raises(KilledError):
            launch(config, run)


OPTIMISERS = {"zip": "lamb", "tar": "nadamw"}
CASES = [(kind, False) for kind in ("folders", "zip", "tar", "shards")]
CASES += [("cifar", True), ("zip", True)]


@pytest.mark.parametrize(("kind", "decoded"), CASES)
def test_killed_in_an_epoch_and_resumed_is_bit_equal(
    kind: str, decoded: bool, tmp_path: Path
) -> None:
    root = KINDS[kind](tmp_path / "data")
    changes = NOISY | (DECODED if decoded else {})
    changes["optim__name"] = OPTIMISERS.get(kind, "sgd")
    launch(tiny_config(root, tmp_path / "straight", **changes), run)
    config = tiny_config(root, tmp_path / "killed", run__resume="auto", **changes)
    killed(config, micro_batch=8)  # the second of step 4 of 6; an epoch has 3
    assert read_checkpoint(tmp_path / "killed" / "last.pt").step == 2
    launch(config, run)
    expected = tensors(tmp_path / "straight")
    got = tensors(tmp_path / "killed")
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_order_of_packing_and_kind_of_store_change_nothing(tmp_path: Path) -> None:
    """Folders, a zip and a tar of the same images are the same data set."""
    found = []
    for kind in ("folders", "zip", "tar"):
        config = tiny_config(KINDS[kind](tmp_path / kind), tmp_path / f"run_{kind}")
        launch(config, run)
        found.append(tensors(tmp_path / f"run_{kind}"))
    first, *others = found
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)


def test_a_run_goes_on_in_another_folder_from_any_of_its_checkpoints(tmp_path: Path) -> None:
    root = KINDS["folders"](tmp_path / "data")
    changes = {"run__keep_every": 2, "run__eval_every": 2, "schedule__steps": 4}
    launch(tiny_config(root, tmp_path / "straight", **changes), run)
    file = tmp_path / "straight" / "step_2.pt"
    launch(tiny_config(root, tmp_path / "new", **changes, run__resume=file), run)
    expected = tensors(tmp_path / "straight")
    got = tensors(tmp_path / "new")
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert (tmp_path / "new" / "weights.safetensors").exists()
