"""Head of a report in words: model, data, recipe, steps and date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

from tasks.report.run import evaluation_metadata, read_starts
from tasks.scoring.evaluation import SETTINGS

HEADS = {
    "fpn": "Semantic FPN",
    "fcn": "FCN",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3+",
}
PARTS_OF_DATA = ("train", "val", "test", "images", "masks", "labels", "annotations")
"""Names of folders that say nothing of the data set that they lie in."""


@dataclass(frozen=True)
class Title:
    """The head of a page."""

    heading: str
    """Which model, on which data."""
    details: tuple[str, ...] = ()
    """Recipe, steps and date, as far as they are known."""

    def __str__(self) -> str:
        return ", ".join((self.heading, *self.details))


def report_title(folder: str | Path, data: str) -> Title:
    """Name what the evaluation in a folder is of; `data` is the path of what was scored on."""
    folder = Path(folder)
    metadata = evaluation_metadata(folder)
    runs = _runs(folder, metadata)
    settings = _settings(metadata, runs)
    starts = next((starts for starts in map(read_starts, runs) if starts), [])
    details = []
    recipe = find_recipe(starts[-1].get("command", [])) if starts else ""
    if recipe:
        details.append(f"recipe {recipe}")
    if "step" in metadata:
        details.append(f"{metadata['step']} steps")
    if starts and starts[-1].get("started"):
        details.append(f"trained {str(starts[-1]['started'])[:10]}")
    return Title(f"{_model(metadata, settings)} on {_data_name(data, settings)}", tuple(details))


def find_recipe(command: Sequence[str]) -> str:
    """The recipe's name in the command line of a training; empty where it has none."""
    words = [str(word) for word in command]
    for place, word in enumerate(words):
        is_tool = PurePath(word).name.startswith("train_") and word.endswith(".py")
        if word == "train" or is_tool:
            for argument in words[place + 1 :]:
                if "=" not in argument and not argument.startswith("-"):
                    return PurePath(argument).name.removesuffix(".yaml")
    return ""


def _runs(folder: Path, metadata: Mapping[str, Any]) -> list[Path]:
    """The folders that may tell of the training: this one, the one it lies in, the checkpoint's."""
    runs = [folder, folder.resolve().parent]
    checkpoint = metadata.get("checkpoint")
    if checkpoint is not None:
        runs.append(Path(str(checkpoint)).parent)
    elif metadata.get("results") is not None:
        runs = [folder]  # somebody's results, of no training
    return runs


def _settings(metadata: Mapping[str, Any], runs: Sequence[Path]) -> Mapping[str, Any]:
    """The settings that were scored with, or those of the training; empty where none are known."""
    found = metadata.get(SETTINGS)
    for run in runs:
        file = run / "config.yaml"
        if found is None and file.is_file():
            found = _load_yaml(file)
    return found if isinstance(found, Mapping) else {}


def _load_yaml(file: Path) -> Any:
    """Contents of a file of settings; None if it is damaged, which makes the head shorter."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _model(metadata: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The network in the field's words."""
    backbone = _entry(settings, "model", "backbone")
    task = metadata.get("task", "detection")
    if not backbone:
        results = metadata.get("results")
        return PurePath(results).name if results else task.capitalize()
    if task == "detection":
        return f"Faster R-CNN, {backbone}"
    head = _entry(settings, "model", "head", "kind")
    return f"{HEADS[head]}, {backbone}" if head in HEADS else backbone


def _data_name(data: str, settings: Mapping[str, Any]) -> str:
    """The name of the data set's folder, or of the file that lies elsewhere."""
    root = _entry(settings, "data", "root")
    path = PurePath(data)
    if root and path.is_relative_to(PurePath(root)):
        return PurePath(root).name or data
    named = [part for part in path.parts if part not in PARTS_OF_DATA]
    return named[-1] if named else data


def _entry(settings: Mapping[str, Any], *names: str) -> str:
    """A text in nested settings; empty where there is none."""
    value: Any = settings
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
