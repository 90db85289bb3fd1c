"""`backbones train`: from a recipe and overrides to a finished run.  Imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_backbones.errors import UserError
from tasks.cli.command import Command
from tasks.cli.recipes import find_recipe
from tasks.cli.registry import TASKS, Task, find_task, known_tasks

if TYPE_CHECKING:
    from tasks.engine.diagnosis import Diagnosis
    from tasks.engine.launch import Run
    from tasks.engine.sinks import Sink


def read_recipe(
    recipe: str | Path, overrides: Sequence[str], task: str | None = None
) -> tuple[Task, Any]:
    """Read the task and the settings of a recipe or a settings file, with overrides.

    `task` is the task of a file without `task:`; UserError for a recipe of another task.
    """
    path = recipe if isinstance(recipe, Path) else find_recipe(recipe)
    from tasks.engine.config import load_config

    chosen = _task_of(path, task)
    return chosen, load_config(chosen.settings.load(), path, overrides)


def start(task: Task, config: Any, sinks: Sequence[Sink] = ()) -> Run:
    """Train; names and paths are checked first, as torch takes seconds to import."""
    _check(task, config)
    from tasks.engine.launch import launch

    return launch(config, task.run.load(), sinks)


def examine(task: Task, config: Any) -> Diagnosis:
    """Return what would limit the speed of a training, without training; checks as `start`."""
    _check(task, config)
    from tasks.engine.doctor import diagnose

    return diagnose(config, task.run.load())


def _check(task: Task, config: Any) -> None:
    from resnet_backbones.registry import check_name

    check_name(config.model.backbone)
    task.check_files(config)


def _task_of(path: Path, fixed: str | None) -> Task:
    """Return the task of a settings file; if `fixed` is given, it must be that one."""
    from tasks.engine.config_text import read_yaml

    named = read_yaml(path).get("task", fixed)
    if named is None:
        rule = f"a recipe must name its task, one of {known_tasks()}"
        example = next(iter(TASKS))
        raise UserError(f"{rule}, and {path} does not; add the line `task: {example}` at its top")
    task = find_task(named, str(path))
    if fixed not in (None, task.name):
        way_out = "`backbones train` trains any recipe"
        raise UserError(
            f"this command trains {fixed}, got a recipe of {task.name}, {path}; {way_out}"
        )
    return task


def _settings_help(arguments: Namespace, parser: ArgumentParser) -> str:
    """Write the usage and, if a recipe or a task is given, every setting with its value."""
    text = parser.format_help()
    if arguments.recipe is None and arguments.task is None:
        return text
    from tasks.engine.setting_help import describe

    if arguments.recipe is None:
        config = TASKS[arguments.task].settings()
        return f"{text}\nsettings, with their defaults:\n\n{describe(config)}\n"
    _, config = read_recipe(arguments.recipe, arguments.overrides, arguments.task)
    return f"{text}\nsettings of {arguments.recipe}:\n\n{describe(config)}\n"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s RECIPE [section.key=value ...] [--doctor]"
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="a recipe's name, or a file: FILE.yaml or ./FILE",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="section.key=value",
        help="settings that replace the recipe's",
    )
    parser.add_argument(
        "--doctor",
        action="store_true",
        help="time up to 100 batches of each stage (decode, augment, copy, model) and name the"
        " slowest; trains nothing and keeps nothing",
    )
    parser.add_argument(
        "-h",
        "--help",
        action="store_true",
        help="with a RECIPE: all its settings, with their values",
    )


def _run(arguments: Namespace, parser: ArgumentParser) -> None:
    if arguments.help:
        print(_settings_help(arguments, parser), end="")
        return
    if arguments.recipe is None:
        parser.error("a RECIPE is needed, such as quickstart; `backbones recipes` lists all")
    task, config = read_recipe(arguments.recipe, arguments.overrides, arguments.task)
    if arguments.doctor:
        print(examine(task, config).text())
    else:
        start(task, config)


COMMAND = Command(
    name="train",
    summary="Train a recipe's network, and score it.",
    examples="""
backbones train quickstart data.root=data/shapes
backbones train faster_rcnn_r50 data.root=/path/to/coco optim.lr=0.01
torchrun --no-python --nproc-per-node 8 backbones train faster_rcnn_r50 data.root=/path/to/coco
backbones train quickstart --doctor      what limits its speed on this machine
backbones train quickstart --help        all settings, with this recipe's values
""",
    add_arguments=_add_arguments,
    run=_run,
    own_help=True,
)
