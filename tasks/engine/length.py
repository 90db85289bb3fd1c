"""The length of a run, and settings that it is too short for."""

from dataclasses import replace
from typing import TypeVar

from tasks.engine.schedule import in_steps
from tasks.engine.settings import TaskSettings
from tasks.engine.training import UNKNOWN_STEPS

Config = TypeVar("Config", bound=TaskSettings)


def replace_schedule(config: Config, epoch_length: int) -> Config:
    """Return the settings with schedule.epochs turned into steps."""
    return replace(config, schedule=in_steps(config.schedule, epoch_length))


def describe_length(config: TaskSettings, epoch_length: int) -> list[str]:
    """Report the run's length in epochs, if known, and settings that it is too short for."""
    run, schedule = config.run, config.schedule
    evaluations = UNKNOWN_STEPS if run.eval_every else 1
    lines: list[str] = []
    if schedule.minutes is None:
        epochs = schedule.steps / epoch_length
        lines = [f"{schedule.steps} steps are {epochs:.3g} epochs of {epoch_length} steps"]
        evaluations = -(-schedule.steps // (run.eval_every or schedule.steps))
    waiting = {"run.patience": run.patience or 0}
    if schedule.name == "plateau":
        waiting["schedule.plateau_evaluations"] = schedule.plateau_evaluations
    if schedule.warmup_until is not None and evaluations <= 1:
        seen = f"schedule.warmup_until={schedule.warmup_until:g} is never reached, as the only"
        lines.append(
            f"warning: {seen} evaluation is the last; lower run.eval_every={run.eval_every}"
        )
    for name, count in waiting.items():
        if evaluations <= count:  # the first has nothing to be better than
            seen = f"{name}={count} is never reached in a run of {evaluations} evaluations"
            lines.append(f"warning: {seen}; lower run.eval_every={run.eval_every}")
    return lines
