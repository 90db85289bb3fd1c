"""From settings to a finished run: processes, precision, source of the weights, folder.

A task's `train.py` reads its data, builds its model and says how it is scored; everything else is
here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from torch import nn

from tasks.engine.allocator import keep_freed_memory
from tasks.engine.batches import Batches
from tasks.engine.beginning import choose_precision, read_resumed
from tasks.engine.checkpoint import Checkpoint, Checkpoints
from tasks.engine.compilation import check_cuda_graphs, compile_parts
from tasks.engine.config import to_saved
from tasks.engine.distributed import World
from tasks.engine.environment import library_version
from tasks.engine.evaluation import Evaluator, evaluate_sets
from tasks.engine.fit import fit
from tasks.engine.length import describe_length, replace_schedule
from tasks.engine.loading import Share
from tasks.engine.log import RunLog
from tasks.engine.precision import Precision
from tasks.engine.randomness import prepare_torch
from tasks.engine.restarts import after_restart, note_begun
from tasks.engine.resuming import refuse_other_run
from tasks.engine.room import check_room
from tasks.engine.run_files import BEST, LABEL_MAP, LAST
from tasks.engine.run_folder import check_output_dir, prepare_output_dir
from tasks.engine.run_lock import RunLock
from tasks.engine.samples import DrawSamples, draw_samples
from tasks.engine.setting_declarations import require
from tasks.engine.settings import TaskSettings
from tasks.engine.shared_folder import refuse_unshared
from tasks.engine.sinks import Sink
from tasks.engine.start import Start
from tasks.engine.stop import interruptible
from tasks.engine.threads import ThreadChoice, choose_threads, use_threads
from tasks.engine.timing import agree_on_routes
from tasks.engine.trackers import make_trackers
from tasks.engine.training import Evaluate, Training
from tasks.files import write_text

Config = TypeVar("Config", bound=TaskSettings)
Args = ParamSpec("Args")
T = TypeVar("T")
Loop = Callable[[Training, Batches, Evaluate], dict[str, float]]
"""The last part of a run: train, and return the scores of the last evaluation."""


@dataclass(frozen=True)
class Run:
    """A finished training."""

    folder: Path
    """run.output_dir, with everything that the run made."""
    scores: dict[str, float]
    """Of the last evaluation."""


@dataclass(frozen=True)
class Launch(Generic[Config]):
    """A process of a run that is about to begin."""

    config: Config
    world: World
    log: RunLog
    precision: Precision
    threads: ThreadChoice
    routes: Mapping[str, bool]
    """The chosen timed routes."""
    resumed: Checkpoint | None
    """The run's last checkpoint, if it is resumed."""
    lock: RunLock
    """Of run.output_dir."""
    loop: Loop = fit

    @property
    def output_dir(self) -> Path:
        """run.output_dir."""
        return Path(self.config.run.output_dir)

    @property
    def share(self) -> Share:
        """This process's share of every batch."""
        optim = self.config.optim
        return Share.of(self.world, accumulate=optim.accumulate, seed=self.config.run.seed)

    @property
    def positions(self) -> list[Any] | None:
        """Where each rank's batches continue, if a resumed checkpoint gives it."""
        return None if self.resumed is None else self.resumed.progress.positions

    @property
    def begins_here(self) -> bool:
        """Whether this is the first rank of a run that is not resumed."""
        return self.resumed is None and self.world.is_main

    def on_every_rank(self, call: Callable[Args, T], *args: Args.args, **named: Args.kwargs) -> T:
        """Call a function on every rank; a UserError on one rank ends all of them."""
        with self.world.sharing_errors():
            return call(*args, **named)

    def once(self, call: Callable[Args, T], *args: Args.args, **named: Args.kwargs) -> T:
        """Call a function on rank 0 and return its result on every rank; a UserError ends all of
        them.
        """
        with self.world.sharing_errors():
            made = call(*args, **named) if self.world.is_main else None
        shared: T = self.world.broadcast(made)
        return shared

    def note(self, lines: Iterable[str]) -> None:
        """Print lines for people."""
        for line in lines:
            self.log.note(line)

    def start(self, weights: str | None) -> Start:
        """Return the source of the weights: the run's own checkpoint, or the setting
        model.weights.
        """
        if self.resumed is not None:
            return Start(self.resumed, resumed=True)
        return self.on_every_rank(Start.of, weights)

    def build(
        self,
        make: Callable[[Start], tuple[nn.Module, str]],
        weights: str | None,
        compiled: Callable[[Any], Sequence[nn.Module]] = lambda model: (),
    ) -> Any:
        """Make the model and move it to its device; on rank 0 first, so that a download happens
        once.

        `make` returns it with a line about the loaded weights; `compiled(model)` lists the parts
        for run.compile; UserError if that is set and there are none.
        """
        start = self.start(weights)
        with self.world.sharing_errors():
            built = make(start) if self.world.is_main else None
        with self.world.sharing_errors():
            model, report = built or make(start)
        self.log.note(report)
        self.log.note(f"model: {_parameters(model)}")
        model.to(self.world.device)
        if self.config.run.compile:
            parts = compiled(model)
            rule = f"run.compile must be false for {self.config.task}, which has nothing to compile"
            require(len(parts) > 0, rule, True)
            compile_parts(parts, graphs=self.config.run.cuda_graphs)
        return model

    def fit(
        self,
        model: nn.Module,
        objective: nn.Module,
        batches: Batches,
        evaluators: Mapping[str, Evaluator],
        metadata: Mapping[str, Any],
        name_image: Callable[[int], str] = str,
        on_best: Callable[[nn.Module], None] | None = None,
        samples: DrawSamples | None = None,
    ) -> dict[str, float]:
        """Write the run's settings and train; return the scores of the last evaluation.

        `evaluators` are by data set; run.eval_sets chooses among them. `metadata` describes the
        model in a checkpoint, in JSON's types: label_map, passport, and `data`, which identifies
        the data set. `on_best` is called on rank 0 with the scored model each time the best
        checkpoint was replaced. `samples` draws the first training images of a new run.
        """
        config = replace_schedule(self.config, batches.epoch_length)
        evaluate = evaluate_sets(config.run, evaluators, config.schedule.warmup_metric)
        about = self._metadata(config) | dict(metadata)
        checkpoints = Checkpoints(self.output_dir, about, self.resumed)
        if self.resumed is not None:
            self.on_every_rank(refuse_other_run, self.resumed, about)
        self.on_every_rank(self._check_room, model)
        self.on_every_rank(self.lock.acquire)
        refuse_unshared(self.output_dir, self.world)
        prepare_output_dir(config.run, self.world, config, self._choices())
        note_begun(self.output_dir, self.world)
        self._write_label_map(metadata)
        if samples is not None and config.run.samples and self.begins_here:
            draw_samples(samples, config.run, self.log)
        self.note(describe_length(config, batches.epoch_length))
        training = Training(
            model=model,
            objective=objective.to(self.world.device),  # memory besides the model's
            config=config,
            checkpoints=checkpoints,
            log=self.log,
            world=self.world,
            precision=self.precision,
            threads=self.threads,
            name_image=name_image,
            on_best=on_best,
        )
        return self.loop(training, batches, evaluate)

    def best_checkpoint(self) -> Path:
        """Return the best checkpoint, or the last one if every score was nan."""
        best = self.output_dir / BEST
        return best if best.exists() else self.output_dir / LAST

    def _check_room(self, model: nn.Module) -> None:
        if self.world.is_main:
            check_room(self.output_dir, model, self.config.optim, self.resumed)

    def _metadata(self, config: Config) -> dict[str, Any]:
        """Return the metadata of every checkpoint, whatever the task."""
        return {
            "task": config.task,
            "config": to_saved(config),
            "precision": self.precision.name,
            "routes": dict(self.routes),
            "library_version": library_version("resnet-backbones"),
        }

    def _choices(self) -> dict[str, object]:
        """Return this start's choices for the machine, for environment.json."""
        return {
            "threads": self.threads.number,
            "threads_because": self.threads.reason,
            "precision": self.precision.name,
            "precision_because": self.precision.reason,
        }

    def _write_label_map(self, metadata: Mapping[str, Any]) -> None:
        if self.world.is_main and "label_map" in metadata:
            text = json.dumps(metadata["label_map"], indent=1) + "\n"
            write_text(self.output_dir / LABEL_MAP, text)


def launch(
    config: Config,
    run: Callable[[Config, Launch[Config]], dict[str, float]],
    sinks: Sequence[Sink] = (),
    loop: Loop = fit,
) -> Run:
    """Train as one process, or one of torchrun's or srun's: `run` is a task's route to scores.

    `sinks` receive the run's reports, besides its own sinks; `loop` replaces training.
    """
    keep_freed_memory()
    world = World.create(config.run.device)
    try:
        return launch_in(world, config, run, sinks, loop)
    finally:
        world.close()


def launch_in(
    world: World,
    config: Config,
    run: Callable[[Config, Launch[Config]], dict[str, float]],
    sinks: Sequence[Sink] = (),
    loop: Loop = fit,
) -> Run:
    """Train in an existing world."""
    folder = Path(config.run.output_dir)
    config = after_restart(config, world)
    sinks = [*make_trackers(config, world), *sinks]
    with (
        interruptible(),
        RunLog(folder, world, sinks, tensorboard="tensorboard" in config.run.trackers) as log,
        RunLock(folder, active=world.is_main) as lock,
    ):
        scores = run(config, _prepare(config, world, log, lock, loop))
    return Run(folder, scores)


def _prepare(
    config: Config, world: World, log: RunLog, lock: RunLock, loop: Loop
) -> Launch[Config]:
    """Make every decision that comes before reading the data."""
    check_cuda_graphs(config, world)
    prepare_torch(config.run.seed, config.run.deterministic)
    check_output_dir(config.run, world, config)
    resumed = read_resumed(config.run, world, lock)
    recorded = None if resumed is None else resumed.metadata.get("threads")
    recorded = recorded if type(recorded) is int else None
    threads = choose_threads(config.run.threads, world, recorded)
    use_threads(threads)
    log.note(f"{threads}")
    precision = choose_precision(config.run, resumed, world)
    kept = None if resumed is None else resumed.metadata.get("routes")
    routes = agree_on_routes(world, kept if isinstance(kept, dict) else {})
    return Launch(config, world, log, precision, threads, routes, resumed, lock, loop)


def _parameters(model: nn.Module) -> str:
    """Count the parameters, and those that are trained."""
    total = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return f"{total / 1e6:.1f} million parameters, {trained / 1e6:.1f} million of them trained"
