"""The same entry points in Python: `from tasks import train, evaluate, load`.

run = train("quickstart", data={"root": "data/shapes"}, schedule={"steps": 20})
scores = evaluate(run)  # {"box/AP": 0.02, …}
found = load(run)("photo.jpg")
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tasks.cli.registry import find_task, saved_task
from tasks.cli.train import read_recipe, start

if TYPE_CHECKING:
    from tasks.classification.predict import ImageClassifier
    from tasks.detection.predict import Detector
    from tasks.engine.launch import Run
    from tasks.engine.settings import TaskSettings
    from tasks.engine.sinks import Sink
    from tasks.segmentation.predict import Segmenter

    Predictor: TypeAlias = Detector | ImageClassifier | Segmenter
    """What `load` returns: a predictor of any task."""


def train(
    recipe: str | Path | TaskSettings,
    *,
    sinks: Sequence[Sink] = (),
    **sections: Mapping[str, object],
) -> Run:
    """Train and score; return the folder of the run and the scores of its last evaluation.

    `recipe` is a recipe's name, a settings file or settings. Sections replace some of its settings,
    `optim={"lr": 0.01}`. Raises UserError for a wrong setting, as on the command line. `sinks`,
    such as your own tracker, receive the reports of the run, in addition to the console,
    metrics.jsonl and TensorBoard.
    """
    overrides = list(_overrides(sections))
    if isinstance(recipe, str | Path):
        return start(*read_recipe(recipe, overrides), sinks)
    from tasks.engine.config import with_overrides

    task = find_task(recipe.task, "the settings")
    return start(task, with_overrides(recipe, overrides), sinks)


def evaluate(run: Run | str | Path, **sections: Mapping[str, object]) -> dict[str, float]:
    """Score a run, its folder, or a checkpoint file; return the scores by flat names.

    For a run, its best checkpoint is scored. Sections replace its settings,
    `data={"root": "other"}`. The files of `backbones eval` are written too. Under torchrun only
    the first rank gets the scores; the others get an empty dict.
    """
    path = _path_of(run)
    report = saved_task(path).evaluate(path, list(_overrides(sections)), None)
    return {} if report is None else dict(report.scores)


def load(run: Run | str | Path, **options: Any) -> Predictor:
    """Load the trained network of a run, its folder, or a checkpoint file; call it on images.

    For a run, its best checkpoint is loaded. Options are those of the task's own loader, such as
    `device` and `precision`; for a detector see `tasks.detection.predict.load_detector`.
    """
    path = _path_of(run)
    predictor: Predictor = saved_task(path).load(path, **options)
    return predictor


def _path_of(run: Run | str | Path) -> Path:
    return Path(run) if isinstance(run, str | Path) else run.folder


def _overrides(sections: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Write the sections as overrides of a command line, so that they are checked in one way."""
    for name, value in sections.items():
        if isinstance(value, Mapping):
            yield from _overrides(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={_typed(value)}"


def _typed(value: object) -> str:
    """Write a value as an override: a text in quotes, anything else as JSON, which is YAML."""
    if isinstance(value, str | Path):
        return f'"{value}"'
    return json.dumps(value, ensure_ascii=False, default=str)
