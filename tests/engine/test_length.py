"""How long a run is: epochs, minutes, patience; and which sets it is scored on."""

from pathlib import Path
from types import ModuleType

import pytest
import torch

from tasks.engine import fit as fit_module
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.config import load_config
from tasks.engine.distributed import World
from tasks.engine.evaluation import Evaluator, SetScores, evaluate_sets
from tasks.engine.settings import RunConfig
from tasks.metrics_file import read_metrics

WORLD = World(0, 0, 1, torch.device("cpu"))


def run(
    toy: ModuleType, folder: Path, *overrides: str, length: str = "steps=12"
) -> dict[str, float]:
    base = [override for override in toy.SETTINGS if not override.startswith("schedule.steps")]
    given = [f"run.output_dir={folder}", *base, f"schedule.{length}", *overrides]
    return toy.run(load_config(toy.ToyConfig, None, given), WORLD)


def test_epochs_are_written_as_steps(toy: ModuleType, tmp_path: Path) -> None:
    """22 images in batches of 4 are epochs of 6 steps."""
    run(toy, tmp_path, length="epochs=1.5")
    written = load_config(toy.ToyConfig, tmp_path / "config.yaml", []).schedule
    assert (written.steps, written.epochs) == (9, None)
    assert read_checkpoint(tmp_path / "last.pt").step == 9
    run(toy, tmp_path, "run.resume=auto", length="epochs=1.5")  # the same length, so nothing to do
    assert read_checkpoint(tmp_path / "last.pt").step == 9


def test_minutes_become_steps_once_some_were_timed(
    toy: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fit_module, "TIMED_STEPS", 8)
    monkeypatch.setattr(fit_module.SpeedMeter, "seconds_per_step", lambda self: 0.1)
    monkeypatch.setattr(fit_module.SpeedMeter, "elapsed", lambda self: 0.8)
    run(toy, tmp_path, "run.eval_every=0", length="minutes=0.03")  # 1.8 s, of which 1 s is left
    saved = read_checkpoint(tmp_path / "last.pt").progress
    assert (saved.step, saved.total_steps) == (18, 18)
    printed = capsys.readouterr().out
    assert "schedule.minutes=0.03 are 18 steps on this machine" in printed
    assert "step 2  loss" in printed
    assert "step 18/18  loss" in printed
    scores = saved.scores
    assert (
        run(toy, tmp_path, "run.eval_every=0", "run.resume=auto", length="minutes=0.03") == scores
    )


def set_scores(toy: ModuleType, monkeypatch: pytest.MonkeyPatch, values: list[float]) -> list[bool]:
    """Have the evaluations give these scores; whether each was told that it may be the last."""
    finals: list[bool] = []

    def evaluate(model: object, step: int, final: bool) -> SetScores:
        finals.append(final)
        return SetScores({"box/AP": values[step // 2 - 1]}, {})

    monkeypatch.setattr(toy, "evaluation", lambda batches: evaluate)
    return finals


def test_patience_stops_a_run_that_gets_no_better(
    toy: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finals = set_scores(toy, monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.5, 0.6])
    scores = run(toy, tmp_path, "run.eval_every=2", "run.patience=2")
    assert scores == {"box/AP": 0.3}
    assert finals == [False, False, False, True]  # the last one is confirmed like a final score
    saved = read_checkpoint(tmp_path / "last.pt").progress
    assert (saved.step, saved.best_step) == (8, 4)
    assert "stopped early after step 8 of 12: no better box/AP in run.patience=2" in (
        capsys.readouterr().out
    )
    assert run(toy, tmp_path, "run.eval_every=2", "run.patience=2", "run.resume=auto") == scores
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [2, 4, 6, 8]
    later = run(toy, tmp_path, "run.eval_every=2", "run.patience=3", "run.resume=auto")
    assert later == {"box/AP": 0.6}, "more patience goes on"


@pytest.mark.parametrize(
    ("settings", "evaluations"),
    [
        (("run.patience=3", "run.eval_every=4"), 3),
        (("run.patience=1", "run.eval_every=0"), 1),
        (("schedule.name=plateau", "schedule.plateau_evaluations=2", "run.eval_every=6"), 2),
        (("schedule.name=plateau", "schedule.plateau_evaluations=1", "run.eval_every=6"), None),
        (("run.patience=3", "run.eval_every=3"), None),
        ((), None),
    ],
)
def test_a_run_too_short_for_its_patience_is_warned_of(
    toy: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: tuple[str, ...],
    evaluations: int | None,
) -> None:
    run(toy, tmp_path, *settings)
    lines = [line for line in capsys.readouterr().out.splitlines() if "is never reached" in line]
    assert len(lines) == (evaluations is not None)
    assert all(f"in a run of {evaluations} evaluations; lower" in line for line in lines)


@pytest.mark.slow
def test_a_plateau_lowers_the_rate_at_the_same_step_after_a_resume(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_scores(toy, monkeypatch, [0.5, 0.4, 0.6, 0.1, 0.1, 0.1])
    more = (
        "run.eval_every=2",
        "run.log_every=1",
        "schedule.name=plateau",
        "schedule.warmup_steps=0",
    )
    run(toy, tmp_path / "straight", *more, "schedule.plateau_evaluations=1")
    rates = [row["lr"] for row in read_metrics(tmp_path / "straight" / "metrics.jsonl")]
    factors = [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert rates == pytest.approx([0.05 * factor for factor in factors])
    monkeypatch.setenv("TERM_AT", "9")  # between the evaluation of step 8 and the next
    with pytest.raises(SystemExit):
        run(toy, tmp_path / "stopped", *more, "schedule.plateau_evaluations=1")
    monkeypatch.delenv("TERM_AT")
    run(toy, tmp_path / "stopped", *more, "schedule.plateau_evaluations=1", "run.resume=auto")
    resumed = [row["lr"] for row in read_metrics(tmp_path / "stopped" / "metrics.jsonl")]
    assert resumed == rates


def test_scores_of_several_sets_have_their_names() -> None:
    def evaluator(error: float) -> Evaluator:
        scores = {"top1": 1 - error, "box/AP": 0.5, "top1/cat": 0.125}
        losses = {"ce": error, "aux": 1.0}
        return Evaluator(tuple(scores), lambda model, step, final: SetScores(scores, losses))

    model = torch.nn.Linear(1, 1)
    run = RunConfig(eval_sets=("val", "train"), best_metric="val/top1")
    sets = {"val": evaluator(0.5), "train": evaluator(0.25)}
    both = evaluate_sets(run, sets)(model, 3, False)
    assert both == {
        "val/top1": 0.5,
        "val/top1/cat": 0.125,
        "box/AP": 0.5,
        "val/ce": 0.5,
        "val/aux": 1.0,
        "val/loss": 1.5,
        "train/top1": 0.75,
        "train/top1/cat": 0.125,
        "train/box/AP": 0.5,
        "train/ce": 0.25,
        "train/aux": 1.0,
        "train/loss": 1.25,
    }
