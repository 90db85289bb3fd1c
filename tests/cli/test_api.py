"""Train, evaluate and load in Python: the same errors, scores and detectors as the commands."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import FinishedRun, blocking, write_settings

import tasks
from resnet_backbones.errors import UserError
from tasks import evaluate, load, train
from tasks.detection.config import DetectionConfig
from tasks.detection.predict import load_detector
from tasks.engine.config import load_config
from tasks.engine.launch import Run
from tasks.engine.sinks import Sink

ROOT = Path(__file__).resolve().parents[2]


def test_the_surface() -> None:
    assert tasks.__all__ == sorted(tasks.__all__) == ["evaluate", "load", "train"]
    assert set(tasks.__all__) <= set(dir(tasks))
    assert all(getattr(tasks, name).__doc__ for name in tasks.__all__)
    with pytest.raises(AttributeError, match="module 'tasks' has no attribute 'trian'"):
        _ = tasks.trian


def test_importing_the_doors_imports_nothing_heavy() -> None:
    code = blocking("torch", "numpy", "omegaconf") + "from tasks import evaluate, load, train"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"batchsize": 4}}, "data.batchsize is not a setting, .*did you mean"),
        ({"dta": {"root": "x"}}, "dta.root is not a setting"),
        ({"data": "x"}, "data is a section and must hold"),
        ({"schedule": {"steps": "many"}}, "schedule.steps must be a whole number, got 'many'"),
        ({"schedule": {"steps": "20"}}, "schedule.steps must be a whole number, got '20'"),
        ({"schedule": {"steps": 2, "epochs": 1}}, "exclude each other"),
        ({"optim": {"lr": -1}}, "optim.lr must be > 0, got -1"),
        ({"data": {"root": "nowhere"}}, "no images and annotations for the train split"),
        ({"model": {"backbone": "resnet81"}}, "got 'resnet81'"),
        ({"model": {"roi": {"samples": 1}}}, "model.roi.samples must be >= 2, got 1"),
    ],
)
def test_sections_are_checked_as_overrides_are(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train("quickstart", **sections)


def test_every_kind_of_value_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[DetectionConfig] = []
    monkeypatch.setattr("tasks.cli.api.start", lambda task, config, sinks: seen.append(config))
    sections: dict[str, Any] = {
        "data": {
            "root": tmp_path / "a b'c",
            "short_edge": [144, 160],
            "scale_jitter": (0.5, 2),
            "keep_empty": True,
            "augment": None,
            "train": {"annotations": "null", "limit": 3},
        },
        "optim": {"name": "sgd", "lr": 1e-7, "clip_norm": None},
        "run": {"output_dir": '"quoted"', "eval_sets": ["val", "train"]},
    }
    train("quickstart", **sections)
    train(load_config(DetectionConfig, ROOT / "configs" / "quickstart.yaml", []), **sections)
    train(ROOT / "configs" / "quickstart.yaml", **sections)
    config = seen[0]
    assert seen[1:] == [config, config]
    assert config.data.root == str(tmp_path / "a b'c")
    assert (config.data.short_edge, config.data.scale_jitter) == ((144, 160), (0.5, 2.0))
    assert (config.data.keep_empty, config.data.augment) == (True, None)
    assert (config.data.train.annotations, config.data.train.limit) == ("null", 3)
    assert (config.optim.name, config.optim.lr, config.optim.clip_norm) == ("sgd", 1e-7, None)
    assert (config.run.output_dir, config.run.eval_sets) == ('"quoted"', ("val", "train"))
    assert config.data.long_edge == 224, "of the recipe"


def test_a_tracker_receives_what_a_run_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr("tasks.cli.api.start", lambda task, config, sinks: given.append(sinks))
    tracker = Sink()
    train("quickstart", sinks=[tracker])
    train(load_config(DetectionConfig, ROOT / "configs" / "quickstart.yaml", []), sinks=[tracker])
    assert given == [[tracker], [tracker]]


def test_a_wrong_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recipe is called 'quickstrt'; did you mean"):
        train("quickstrt")
    with pytest.raises(UserError, match=r"a settings file must exist, got .*mine\.yaml"):
        train(tmp_path / "mine.yaml")


def test_three_lines_train_score_and_find(shapes: Path, tmp_path: Path) -> None:
    recipe = write_settings(tmp_path, shapes)
    recipe.write_text(f"task: detection\n{recipe.read_text()}")
    run = train(str(recipe), schedule={"steps": 2}, run={"output_dir": str(tmp_path / "run")})
    assert run == Run(tmp_path / "run", run.scores)
    np.testing.assert_equal(evaluate(run), run.scores)
    evaluate(run.folder / "last.pt", data={"val": {"limit": 3}})
    about = json.loads((run.folder / "evaluation" / "evaluation.json").read_text())
    assert about["images"] == 3
    picture = next((shapes / "val").iterdir())
    found = load(run, device="cpu")(picture)
    assert found.plot().shape == (*found.size, 3)
    with pytest.raises(UserError, match="must be unused"):
        train(replace(load_config(DetectionConfig, run.folder / "config.yaml", [])))


def test_load_gives_the_tasks_own_predictor(finished_run: FinishedRun, shapes: Path) -> None:
    picture = next((shapes / "val").iterdir())
    options: dict[str, Any] = {"device": "cpu", "precision": "fp32", "score_threshold": 0.02}
    one = load(finished_run.folder, **options)(picture)
    other = load_detector(finished_run.folder, **options)(picture)
    np.testing.assert_array_equal(one.boxes, other.boxes)
    assert len(one) > 0


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    for door in (evaluate, load):
        with pytest.raises(UserError, match="a checkpoint must exist, got"):
            door(tmp_path / "nowhere")
