"""Content of a checkpoint of a network with a backbone, besides task and settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.weights.passport import Passport
from tasks.engine.checkpoint import Checkpoint, load_weights
from tasks.engine.saved import SavedRun, read_run, saved_metadata
from tasks.engine.settings import TaskSettings
from tasks.labels import LabelMap

Config = TypeVar("Config", bound=TaskSettings)
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class SavedNetwork(SavedRun[Config], Generic[Config, Network]):
    """A checkpoint of a network with the settings to use it with; a task derives its own."""

    SETTINGS: ClassVar[type[Any]]
    """The class of the task's settings."""

    label_map: LabelMap
    passport: Passport

    @classmethod
    def read(cls, path: str | Path, overrides: Sequence[str] = ()) -> Self:
        """Read a checkpoint file, or a run folder's best checkpoint, or its last one if none was
        scored. `overrides` such as `run.precision=fp32` change its settings.
        """
        saved = read_run(path, cls.SETTINGS, cls.SETTINGS.task, overrides)
        label_map, passport = read_metadata(saved.checkpoint)
        return cls(saved.checkpoint, saved.config, saved.overrides, label_map, passport)

    def make(self) -> Network:
        """Build the network of the settings; weights are loaded afterwards."""
        raise NotImplementedError

    def build(self, device: torch.device) -> Network:
        """Load the network on a device, in evaluation mode; UserError if the settings are of
        another one.
        """
        try:
            model = self.make()
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error
        load_weights(model, self.checkpoint.weights(), self.path)
        return model.to(device).eval()


def network_metadata(backbone: Backbone, label_map: LabelMap) -> dict[str, Any]:
    """Return classes and preprocessing in JSON's types."""
    passport = json.loads(backbone.passport.to_json())
    return {"label_map": label_map.to_json(), "passport": passport}


def read_metadata(checkpoint: Checkpoint) -> tuple[LabelMap, Passport]:
    """Read classes and preprocessing; UserError for a checkpoint without them."""
    content = saved_metadata(checkpoint, "label_map")
    try:
        label_map = LabelMap.from_json(content)
    except UserError as error:
        raise UserError(f"{checkpoint.path}: {error}") from error
    return label_map, read_passport(checkpoint)


def read_passport(checkpoint: Checkpoint) -> Passport:
    """Read the preprocessing; UserError for a checkpoint without it."""
    text = json.dumps(saved_metadata(checkpoint, "passport"))
    try:
        return Passport.from_json(text)
    except UserError as error:
        raise UserError(f"{checkpoint.path}: {error}") from error
