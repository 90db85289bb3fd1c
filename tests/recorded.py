"""Folders as trainings leave them, written by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DETECTION = {"task": "detection", "annotations": "data/annotations/val.json", "images": 12}
CLASSIFICATION = {"task": "classification", "data": "data/val", "images": 455}


def write_run(
    folder: Path,
    *,
    rows: Sequence[Mapping[str, Any]] = (),
    scores: Mapping[str, float | None] | None = None,
    about: Mapping[str, Any] = DETECTION,
    command: Sequence[str] = ("python", "/bin/backbones", "train", "quickstart"),
    **settings: Any,
) -> Path:
    """A run with sections of settings, rows of metrics.jsonl and, unless None, its scores."""
    folder.mkdir(parents=True)
    config = {"task": about["task"], "run": {"output_dir": str(folder)}, **settings}
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    (folder / "environment.json").write_text(json.dumps([{"command": list(command)}]))
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "metrics.jsonl").write_text("".join(lines))
    if scores is not None:
        (folder / "evaluation.json").write_text(json.dumps({**about, "scores": scores}))
    return folder
