"""What the checkpoint of a network with a backbone says besides its task and settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from resnet_backbones.features import Backbone
from resnet_backbones.weights.passport import Passport
from tasks.engine.checkpoint import Checkpoint
from tasks.engine.saved import SavedRun, saved_metadata
from tasks.engine.settings import TaskSettings
from tasks.labels import LabelMap

Config = TypeVar("Config", bound=TaskSettings)


@dataclass(frozen=True)
class SavedNetwork(SavedRun[Config]):
    """A checkpoint of a network with the settings that it is used with."""

    label_map: LabelMap
    passport: Passport


def network_metadata(backbone: Backbone, label_map: LabelMap) -> dict[str, Any]:
    """Classes and preprocessing, as JSON can hold them."""
    passport = json.loads(backbone.passport.to_json())
    return {"label_map": label_map.to_json(), "passport": passport}


def read_metadata(checkpoint: Checkpoint) -> tuple[LabelMap, Passport]:
    """Classes and preprocessing; UserError for a checkpoint that does not say them."""
    label_map = LabelMap.from_json(saved_metadata(checkpoint, "label_map"))
    return label_map, read_passport(checkpoint)


def read_passport(checkpoint: Checkpoint) -> Passport:
    """Preprocessing; UserError for a checkpoint that does not say it."""
    return Passport.from_json(json.dumps(saved_metadata(checkpoint, "passport")))
