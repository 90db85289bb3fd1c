"""The loop in one process: exact resume, masked updates, evaluation, best checkpoint, and no
synchronisation.
"""

import json
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from resnet_backbones.errors import UserError
from tasks.engine import compilation
from tasks.engine.batches import Feed
from tasks.engine.checkpoint import read_checkpoint
from tasks.engine.distributed import World
from tasks.engine.evaluation import SetScores, run_batches
from tasks.engine.loss_meter import LossMeter
from tasks.engine.optim import Ema, build_optimizer
from tasks.engine.precision import Precision
from tasks.engine.settings import OptimConfig
from tasks.engine.step import Arithmetic, RunningStatistics, StepResult, _update, train_step
from tasks.metrics_file import read_metrics

WORLD = World(0, 0, 1, torch.device("cpu"))


def train(toy: ModuleType, folder: Path, *overrides: str) -> dict[str, float]:
    return toy.run(toy.toy_config(folder, *overrides), WORLD)


def no_seed(micro_batch: int) -> None:
    pass


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in read_metrics(folder / "metrics.jsonl")]


def test_a_run_leaves_rows_scores_checkpoints_and_pictures(toy: ModuleType, tmp_path: Path) -> None:
    scores = train(toy, tmp_path, "run.keep_every=5")
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 10, 12]
    assert rows[-1]["box/AP"] == scores["box/AP"]
    assert rows[-1]["weights"] == "model"
    assert rows[0]["loss"] == pytest.approx(rows[0]["loss/square"] + rows[0]["loss/tilt"], rel=1e-5)
    assert rows[0]["lr"] == pytest.approx(0.05 * (0.001 + 0.999 * 0.5))
    names = {
        "last.pt",
        "best.pt",
        "step_5.pt",
        "step_10.pt",
        "config.yaml",
        "environment.json",
        "curves.png",
    }
    assert names <= {path.name for path in tmp_path.iterdir()}
    assert [path.name for path in tmp_path.glob(".*")] == [".ended.json"]


def test_a_finished_run_resumes_to_its_scores_without_a_step(
    toy: ModuleType, tmp_path: Path
) -> None:
    scores = train(toy, tmp_path)
    before = (tmp_path / "metrics.jsonl").read_text()
    assert train(toy, tmp_path, "run.resume=auto") == scores
    assert (tmp_path / "metrics.jsonl").read_text() == before


def test_the_rows_are_means_over_all_steps_since_the_last_row(
    toy: ModuleType, tmp_path: Path
) -> None:
    train(toy, tmp_path / "each", "run.log_every=1")
    train(toy, tmp_path / "six", "run.log_every=6")
    each = [row["loss"] for row in read_metrics(tmp_path / "each" / "metrics.jsonl")]
    six = [row["loss"] for row in read_metrics(tmp_path / "six" / "metrics.jsonl")]
    assert six == pytest.approx([sum(each[:6]) / 6, sum(each[6:]) / 6], rel=1e-5)


def test_accumulation_gives_the_weights_of_the_whole_batch(toy: ModuleType, tmp_path: Path) -> None:
    train(toy, tmp_path / "whole")
    train(toy, tmp_path / "halves", "optim.accumulate=2")
    whole, halves = (
        read_checkpoint(tmp_path / name / "last.pt").model for name in ("whole", "halves")
    )
    assert all(torch.allclose(whole[key], halves[key], atol=1e-5) for key in whole)


def test_a_batch_that_does_not_divide_is_refused(toy: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.batch_size is global .* got 4; try 3"):
        train(toy, tmp_path, "optim.accumulate=3")


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "nadamw"])
@pytest.mark.parametrize("norm", ["group", "batch"])
def test_a_masked_first_step_leaves_weights_and_state_untouched(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, norm: str
) -> None:
    config = toy.toy_config(tmp_path, f"optim.name={name}", f"norm={norm}", "optim.clip_norm=1.0")
    torch.manual_seed(0)
    model = toy.ToyModel(norm)
    before = {
        key: value.clone() for key, value in model.state_dict().items() if value.is_floating_point()
    }
    optimizer, statistics = build_optimizer(model, config.optim), RunningStatistics(model)
    monkeypatch.setenv("POISON", "1")
    feed = Feed(toy.ToyBatches(config, WORLD).start(0), WORLD)
    arithmetic = Arithmetic(WORLD.device, Precision("fp32", "cpu"), clip_norm=1.0)
    objective = toy.ToyObjective(model, 0)
    result = train_step(objective, feed.take(1), optimizer, statistics, arithmetic, no_seed)
    assert result.masked == 1
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    for state in optimizer.state.values():
        assert all(not value.any() for value in state.values())


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "nadamw"])
def test_steps_after_a_masked_one_are_those_of_a_run_without_it(name: str) -> None:
    """Weights and state, the optimiser's own counter too."""
    found = []
    for poisons in ((), (0, 2)):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        optimizer = build_optimizer(model, OptimConfig(name=name, lr=0.1, weight_decay=0.1))
        images = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(1))
        order = [0, 1, 2]
        for poison in poisons:
            order.insert(poison, -1)
        for place in order:
            optimizer.zero_grad()
            loss = model(images[place]).square().mean()
            (loss * (float("nan") if place < 0 else 1.0)).backward()
            _update(optimizer, None)
        found.append(model.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_a_masked_step_is_counted_and_reported_with_its_images(
    toy: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POISON", "3")
    train(toy, tmp_path, "optim.accumulate=2")
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["skipped"] for row in rows] == [0, 1, 0, 0, 0, 0]
    assert all(row["loss"] is not None for row in rows)
    line = next(line for line in capsys.readouterr().out.splitlines() if "not finite" in line)
    indices = toy.global_batch(2, toy.np.zeros(toy.IMAGES), 4, 0)
    assert line.endswith(
        f"images {indices[0] + 1:03d}.jpg, {indices[1] + 1:03d}.jpg"
    )  # the poisoned micro-batch's
    assert all(
        torch.isfinite(value).all()
        for value in read_checkpoint(tmp_path / "last.pt").model.values()
    )


@pytest.mark.parametrize(
    ("poison", "most"), [("3,4,5", 3), ("2,3,5,6,7", 3), ("1,2,3,4,5,6,7,8,9,10,11,12", 12)]
)
def test_masked_steps_in_a_row_end_a_run(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poison: str, most: int
) -> None:
    """Also those that a log line parts; one is written every two steps."""
    monkeypatch.setenv("POISON", poison)
    with pytest.raises(
        UserError, match=f"got {most} with non-finite gradients; lower optim.lr=0.05"
    ):
        train(toy, tmp_path, f"optim.max_skipped={most}")
    assert len(steps(tmp_path)) < 12


def test_masked_steps_apart_do_not_end_a_run(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISON", "1,2,4,5,7,8,10,11")
    train(toy, tmp_path, "optim.max_skipped=3")
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert sum(row["skipped"] for row in rows if "skipped" in row) == 8


def test_a_score_whose_loss_is_not_finite_is_no_best(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a network that has diverged finds nothing, which is an AP of 0."""

    def evaluation(batches: Any) -> Any:
        def evaluate(model: torch.nn.Module, step: int, final: bool) -> SetScores:
            score, loss = (0.5, float("nan")) if step == 3 else (0.1, 1.0)
            return SetScores({"box/AP": score, "box/AR": score}, {"square": loss})

        return evaluate

    monkeypatch.setattr(toy, "evaluation", evaluation)
    train(toy, tmp_path, "run.eval_every=3")
    assert read_checkpoint(tmp_path / "best.pt").progress.best_step == 6


def test_new_bests_are_told_with_the_scored_model(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[torch.Tensor] = []

    def keep(model: torch.nn.Module) -> None:
        told.append(model.state_dict()["last.weight"].clone())

    monkeypatch.setattr(toy, "ON_BEST", keep)
    train(toy, tmp_path, "optim.ema_decay=0.9", "run.eval_every=3")
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "box/AP" in row]
    best = -math.inf
    bests = 0
    for row in rows:
        bests += row["box/AP"] > best
        best = max(best, row["box/AP"])
    assert len(told) == bests > 0
    assert torch.equal(told[-1], read_checkpoint(tmp_path / "best.pt").weights()["last.weight"])


def test_the_moving_average_is_what_is_scored(toy: ModuleType, tmp_path: Path) -> None:
    scores = train(toy, tmp_path, "optim.ema_decay=0.9")
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    model = toy.ToyModel("group")
    model.load_state_dict(checkpoint.weights())
    batches = toy.ToyBatches(toy.toy_config(tmp_path), WORLD)
    assert toy.evaluation(batches)(model, 12, True).scores["box/AP"] == scores["box/AP"]
    assert checkpoint.ema is not None
    assert not torch.equal(checkpoint.ema["last.weight"], checkpoint.model["last.weight"])
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["weights"] == "ema"


def test_the_best_checkpoint_is_of_the_best_score_and_nan_never_wins(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.1, float("nan"), 0.3, 0.2])
    monkeypatch.setattr(
        toy,
        "evaluation",
        lambda batches: lambda model, step, final: toy.SetScores({"box/AP": next(values)}, {}),
    )
    train(toy, tmp_path, "run.eval_every=3")
    best = read_checkpoint(tmp_path)
    assert (best.step, best.progress.best) == (9, 0.3)
    assert read_checkpoint(tmp_path / "last.pt").progress.best_step == 9
    assert [
        row.get("box/AP", "-")
        for row in read_metrics(tmp_path / "metrics.jsonl")
        if "box/AP" in row
    ][1] is None


@pytest.mark.parametrize("metric", ["mask/AP", "val/loss", "train/box/AP"])
def test_a_best_metric_that_no_evaluation_gives_is_refused_at_the_start(
    toy: ModuleType, tmp_path: Path, metric: str
) -> None:
    with pytest.raises(UserError, match=rf"must be one of box/AP, box/AR, .*, got '{metric}'"):
        train(toy, tmp_path, f"run.best_metric={metric}")
    assert not list(tmp_path.iterdir())


def test_a_set_that_the_task_does_not_score_is_refused_at_the_start(
    toy: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"eval_sets must be among val for this task, got .*train"):
        train(toy, tmp_path, "run.eval_sets=[val,train]")


def scores_of_evaluations(
    toy: ModuleType, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, float]]
) -> None:
    """Have the evaluations, one every three steps, give these scores."""
    monkeypatch.setattr(
        toy,
        "evaluation",
        lambda batches: lambda model, step, final: toy.SetScores(rows[step // 3 - 1], {}),
    )


def test_the_score_of_a_class_can_decide(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"box/AP": 0.5, "box/AR": 0.5, "box/AP/cat": cat} for cat in (0.1, 0.2, 0.3, 0.2)]
    scores_of_evaluations(toy, monkeypatch, rows)
    settings = ("run.eval_every=3", "run.best_metric=box/AP/cat", "run.patience=1")
    train(toy, tmp_path, *settings)
    progress = read_checkpoint(tmp_path / "last.pt").progress
    assert (progress.step, progress.best_step, progress.best) == (12, 9, 0.3)


def test_the_score_of_a_class_can_end_the_warm_up(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"box/AP": 0.1, "box/AR": 0.1, "box/AP/cat": cat} for cat in (0.1, 0.5, 0.2, 0.2)]
    scores_of_evaluations(toy, monkeypatch, rows)
    settings = (
        "schedule.warmup_steps=0",
        "schedule.warmup_until=0.4",
        "schedule.warmup_metric=box/AP/cat",
        "schedule.warmup_factor=0.5",
        "schedule.milestones=[]",
        "run.eval_every=3",
        "run.log_every=1",
    )
    train(toy, tmp_path, *settings)
    rates = [row["lr"] for row in read_metrics(tmp_path / "metrics.jsonl") if "lr" in row]
    assert [rate / rates[-1] for rate in rates] == pytest.approx([0.5] * 6 + [1.0] * 6)


def test_a_resume_with_another_metric_measures_the_best_checkpoint_by_it(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"box/AP": 0.8, "box/AR": 0.1, "box/AP/cat": 0.0},
        {"box/AP": 0.7, "box/AR": 0.3, "box/AP/cat": 0.0},
        {"box/AP": 0.6, "box/AR": 0.2, "box/AP/cat": 0.0},
        {"box/AP": 0.5, "box/AR": 0.1, "box/AP/cat": 0.4},
    ]
    scores_of_evaluations(toy, monkeypatch, rows)
    monkeypatch.setenv("TERM_AT", "7")
    with pytest.raises(SystemExit):
        train(toy, tmp_path, "run.eval_every=3")
    monkeypatch.delenv("TERM_AT")
    assert read_checkpoint(tmp_path / "best.pt").step == 3
    settings = ("run.eval_every=3", "run.best_metric=box/AR", "run.resume=auto", "run.patience=2")
    train(toy, tmp_path, *settings)
    best = read_checkpoint(tmp_path / "best.pt").progress
    assert (best.step, best.best) == (9, 0.2)  # better than the 0.1 that the file of step 3 had
    assert read_checkpoint(tmp_path / "last.pt").step == 12  # box/AR rose at step 6, once not since


def test_a_stopped_run_leaves_its_curves(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM_AT", "5")
    with pytest.raises(SystemExit):
        train(toy, tmp_path)
    assert (tmp_path / "curves.png").is_file()


def test_other_classes_are_refused_on_resume(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(toy, tmp_path)
    monkeypatch.setattr(toy, "LABEL_MAP", {"names": ["other"]})
    with pytest.raises(UserError, match=r"must keep its label map.*toy.*other"):
        train(toy, tmp_path, "run.resume=auto")


def test_out_of_memory_names_the_settings(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(toy.ToyModel, "forward", exhausted)
    names = r"step 1 .*optim.accumulate, or use less \(CUDA out of memory\)"
    with pytest.raises(UserError, match=names):
        train(toy, tmp_path)


def test_out_of_memory_in_an_evaluation_names_settings_too(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(toy, "evaluation", lambda batches: exhausted)
    with pytest.raises(
        UserError, match=r"the evaluation after step 6 must fit into memory.*score fewer"
    ):
        train(toy, tmp_path)
    assert read_checkpoint(tmp_path / "last.pt").step == 6


def test_a_stop_asked_for_in_an_evaluation_comes_right_after_it(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(_: object, step: int, final: bool) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return toy.SetScores({"box/AP": 0.5}, {})

    monkeypatch.setattr(toy, "evaluation", lambda batches: evaluate)
    with pytest.raises(SystemExit) as stopped:
        train(toy, tmp_path)
    assert stopped.value.code == 143
    saved = read_checkpoint(tmp_path / "last.pt").progress
    assert (saved.step, saved.evaluated) == (6, 6)


class RefuseSynchronisation(TorchDispatchMode):
    """Raises at every operation that makes the host wait for a GPU."""

    refused = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "equal",
        "unique",
        "is_nonzero",
        "item",
    )

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = function._schema.name.removeprefix("aten::")
        masks = [] if name not in ("index", "index_put", "index_put_") else args[1]
        if name.strip("_").startswith(("unique", "nonzero")) or name in self.refused:
            raise AssertionError(f"{name} synchronises")
        if any(mask is not None and mask.dtype in (torch.bool, torch.uint8) for mask in masks):
            raise AssertionError(f"{name} with a mask synchronises")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_does_not_synchronise(
    toy: ModuleType, tmp_path: Path, name: str, precision: str
) -> None:
    config = toy.toy_config(tmp_path, "optim.accumulate=2", f"optim.name={name}", "norm=batch")
    model = toy.ToyModel("batch")
    optimizer, statistics, ema = (
        build_optimizer(model, config.optim),
        RunningStatistics(model),
        Ema(model, 0.9),
    )
    feed = Feed(toy.ToyBatches(config, WORLD).start(0), WORLD)
    losses = LossMeter({})
    objective = toy.ToyObjective(model, 0)
    arithmetic = Arithmetic(WORLD.device, Precision(precision, "cpu"), clip_norm=1.0)
    with RefuseSynchronisation():
        for step in range(2):
            taken = feed.take(2)
            result = train_step(objective, taken, optimizer, statistics, arithmetic, no_seed)
            ema.update(model, step)
            losses.add(step + 1, result)
    assert losses.means(WORLD)["skipped"] == 0


def test_each_batch_tells_cuda_graphs_that_it_begins(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs of a graph are overwritten by its next replay, so torch has to know which replays
    belong together.
    """
    begun: list[None] = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(None))
    config = toy.toy_config(tmp_path, "optim.accumulate=2")
    model = toy.ToyModel("group")
    optimizer = build_optimizer(model, config.optim)
    feed = Feed(toy.ToyBatches(config, WORLD).start(0), WORLD)
    objective = toy.ToyObjective(model, 0)
    arithmetic = Arithmetic(WORLD.device, Precision("fp32", "cpu"))
    for graphs in (False, True):
        monkeypatch.setattr(compilation, "REPLAYS", compilation.Replays(graphs))
        statistics = RunningStatistics(model)
        train_step(objective, feed.take(2), optimizer, statistics, arithmetic, no_seed)
        assert len(begun) == 2 * graphs
        validation = feed.take(2).batches
        run_batches(validation, WORLD, lambda batch: (None, {}))
        assert len(begun) == 4 * graphs


def test_parts_that_are_replayed_switch_the_marks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "REPLAYS", compilation.Replays())
    compilation.compile_parts([torch.nn.Linear(1, 1)])
    assert not compilation.REPLAYS.on
    compilation.compile_parts([torch.nn.Linear(1, 1)], graphs=True)
    assert compilation.REPLAYS.on


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_step_on_a_gpu_does_not_synchronise(toy: ModuleType, tmp_path: Path, name: str) -> None:
    config = toy.toy_config(tmp_path, "optim.accumulate=2", f"optim.name={name}", "norm=batch")
    model = toy.ToyModel("batch").cuda()
    optimizer, statistics, ema = (
        build_optimizer(model, config.optim),
        RunningStatistics(model),
        Ema(model, 0.9),
    )
    gpu = World(0, 0, 1, torch.device("cuda"))
    feed = Feed(toy.ToyBatches(config, gpu).start(0), gpu)
    losses = LossMeter({})
    objective = toy.ToyObjective(model, 0)
    arithmetic = Arithmetic(gpu.device, Precision("bf16", "cuda"), clip_norm=1.0)
    try:
        for step in range(4):
            # the first steps may set things up
            torch.cuda.set_sync_debug_mode("error" if step >= 2 else "default")
            taken = feed.take(2)
            result = train_step(objective, taken, optimizer, statistics, arithmetic, no_seed)
            ema.update(model, step)
            losses.add(step + 1, result)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert losses.means(WORLD)["skipped"] == 0


def test_sums_of_other_losses_in_a_checkpoint_are_left_out() -> None:
    """As a version leaves them whose losses had other names."""
    values = torch.tensor([2.0, 2.0, 1.0])
    finite = torch.tensor([True])
    ids = (torch.tensor([1]),)
    result = StepResult(("loss/new", "loss", "grad_norm"), values, torch.tensor(0.0), finite, ids)
    losses = LossMeter({"loss/old": 9.0, "loss": 9.0, "grad_norm": 9.0, "kept": 3.0, "steps": 3.0})
    losses.add(4, result)
    means = losses.means(WORLD)
    assert means == {"loss/new": 2.0, "loss": 2.0, "grad_norm": 1.0, "skipped": 0.0}


def test_the_refusal_itself_refuses() -> None:
    with RefuseSynchronisation(), pytest.raises(AssertionError, match="synchronises"):
        float(torch.ones(1))
    with RefuseSynchronisation(), pytest.raises(AssertionError, match="synchronises"):
        torch.ones(2)[torch.tensor([True, False])]


def test_the_environment_has_one_entry_a_start(toy: ModuleType, tmp_path: Path) -> None:
    train(toy, tmp_path)
    train(toy, tmp_path, "run.resume=auto")
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert len(starts) == 2
    assert starts[0]["processes"] == 1


def test_positions_of_batches_are_saved_with_the_steps_that_took_them(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted(toy.ToyBatches):  # type: ignore[name-defined, misc]
        taken = 0

        def start(self, step: int) -> Iterator[Any]:
            for batch in super().start(step):
                self.taken += 1
                yield batch

        def position(self) -> dict[str, int]:
            return {"taken": self.taken}

    monkeypatch.setattr(toy, "ToyBatches", Counted)
    toy.run(toy.toy_config(tmp_path, "optim.accumulate=2", "run.keep_every=5"), WORLD)
    for name, step in (("step_5", 5), ("last", 12)):
        saved = read_checkpoint(tmp_path / f"{name}.pt").progress
        assert (saved.step, saved.positions) == (step, [{"taken": 2 * step}])


def test_batches_without_positions_save_none(toy: ModuleType, tmp_path: Path) -> None:
    toy.run(toy.toy_config(tmp_path), WORLD)
    assert read_checkpoint(tmp_path / "last.pt").progress.positions is None
