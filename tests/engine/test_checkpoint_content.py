"""A checkpoint whose content training never writes is refused in one line that names the file
(fault_campaign C23).
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint import GROUPS, Checkpoints, Group, read_checkpoint, write_checkpoint
from tasks.engine.optim import build_optimizer
from tasks.engine.progress import Progress
from tasks.engine.settings import OptimConfig
from tasks.engine.step import set_lr


class OddProgress(Progress):
    """Progress that is saved as any text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        object.__setattr__(self, "text", text)

    def to_json(self) -> str:
        return str(self.text)  # type: ignore[attr-defined]


def save(path: Path, progress: str = "{}", metadata: str = "{}", **groups: Any) -> None:
    every = {name: Group.of(None) for name in GROUPS} | groups
    write_checkpoint(path, OddProgress(progress), metadata, every)


PROGRESS = [
    "[]",
    "7",
    "{",
    *(
        json.dumps({name: value})
        for name, value in (
            ("step", "3"),
            ("step", -1),
            ("step", True),
            ("evaluated", None),
            ("scores", {"a": "b"}),
            ("best", "x"),
            ("best_metric", 7),
            ("window", []),
            ("history", [{"step": 1}]),
            ("history", [1]),
            ("total_steps", "x"),
            ("positions", {"a": 1}),
        )
    ),
]


@pytest.mark.parametrize("text", PROGRESS)
def test_odd_progress(tmp_path: Path, text: str) -> None:
    save(tmp_path / "last.pt", progress=text)
    with pytest.raises(UserError, match=r"last\.pt is damaged \("):
        read_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("text", ["[]", "null", "{"])
def test_odd_metadata(tmp_path: Path, text: str) -> None:
    save(tmp_path / "last.pt", metadata=text)
    with pytest.raises(UserError, match=r"last\.pt is damaged \("):
        read_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize(
    "model", [{"weight": "x"}, {7: torch.zeros(1)}, {"weight": torch.ones(2).to_sparse()}]
)
def test_weights_that_are_no_tensors_by_name(tmp_path: Path, model: Any) -> None:
    save(tmp_path / "last.pt", model=Group.of(model))
    with pytest.raises(UserError, match=r"the model in .*last\.pt must be tensors by name, got "):
        read_checkpoint(tmp_path / "last.pt").weights()


def trained() -> tuple[nn.Linear, torch.optim.Optimizer]:
    """A model after a step."""
    model = nn.Linear(2, 1)
    optimizer = build_optimizer(model, OptimConfig())
    model(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    return model, optimizer


def restore(path: Path, state: dict[str, Any]) -> torch.optim.Optimizer:
    """Resume from a checkpoint with that state of the optimiser, and take a step."""
    model, optimizer = trained()
    save(path, model=Group.of(model.state_dict()), optimizer=Group.of(state))
    Checkpoints(path.parent, {}, read_checkpoint(path)).restore(model, None, optimizer)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"state": {}, "param_groups": [7]},
        {"state": {}, "param_groups": []},
        {"state": {}, "param_groups": [{}]},
    ],
)
def test_what_is_no_optimisers_state(tmp_path: Path, state: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"last\.pt must hold"):
        restore(tmp_path / "last.pt", state)


@pytest.mark.parametrize("value", [torch.zeros(3), "x"])
def test_a_state_of_other_parameters(tmp_path: Path, value: Any) -> None:
    state = trained()[1].state_dict()
    state["state"][0]["momentum_buffer"] = value
    with pytest.raises(UserError, match=r"last\.pt must hold the state of this run's optimiser"):
        restore(tmp_path / "last.pt", state)


def test_a_state_without_names(tmp_path: Path) -> None:
    state = trained()[1].state_dict()
    state["state"][0] = 7
    with pytest.raises(UserError, match=r"last\.pt must hold the state of this run's optimiser"):
        restore(tmp_path / "last.pt", state)


def test_hyperparameters_are_those_of_the_settings(tmp_path: Path) -> None:
    state = trained()[1].state_dict()
    del state["param_groups"][0]["momentum"]
    state["param_groups"][0]["weight_decay"] = "x"
    group = restore(tmp_path / "last.pt", state).param_groups[0]
    own = trained()[1].param_groups[0]
    assert (group["momentum"], group["weight_decay"]) == (0.9, own["weight_decay"])


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (
            {"state_dict": {}, "pytorch-lightning_version": "2"},
            "a checkpoint of Lightning with",
        ),
        ({1: 2, "a": torch.zeros(1)}, "a file with 1, 'a'"),
        ({}, "a file with nothing"),
    ],
)
def test_the_format_of_another_program_is_named(tmp_path: Path, content: Any, seen: str) -> None:
    torch.save(content, tmp_path / "theirs.pt")
    with pytest.raises(UserError, match=rf"of format 2 or 1, got {seen}.* in .*theirs\.pt; model"):
        read_checkpoint(tmp_path / "theirs.pt")


def test_the_learning_rate_stays_that_of_the_last_step(tmp_path: Path) -> None:
    """Found by the campaign: a run stopped after its last step was saved with another rate."""
    _, optimizer = trained()
    set_lr(optimizer, 0.125)
    restored = restore(tmp_path / "last.pt", optimizer.state_dict())
    assert [group["lr"] for group in restored.param_groups] == [0.125]
