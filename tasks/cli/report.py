"""`backbones report` and `backbones compare`.  Imports nothing heavy."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.cli.command import Command, add_force
from tasks.cli.registry import BOXES, Task, evaluated_task, find_task
from tasks.engine.commands import command
from tasks.outputs import EVALUATION, Outputs

EVALUATED = "folder with the evaluation.json of a run, or of `backbones eval`"


def _report_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=EVALUATED)
    add_force(parser)
    parser.add_argument(
        "--images", help="folder of the images, if they have moved since they were scored"
    )
    parser.add_argument(
        "--annotations",
        metavar="FILE",
        help="the annotations of detections, if they have moved since they were scored",
    )


def _report(arguments: Namespace, _: ArgumentParser) -> None:
    task = evaluated_task(arguments.run)
    moved = {}
    if arguments.annotations is not None:
        if task.results is None:  # only detections are scored against their annotations again
            rule = "--annotations is for detections"
            raise UserError(f"{rule}, and {arguments.run} is of {task.name}; leave it out")
        moved["annotations"] = arguments.annotations
    outputs = Outputs(by=EVALUATION, force=arguments.force)
    with outputs.owning(Path(arguments.run) / "report.html"):
        page = task.report(arguments.run, arguments.images, eval_command=command("eval"), **moved)
    print(f"written: {page}")


def _compare_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help=EVALUATED)
    parser.add_argument(
        "--html", metavar="OUT.html", help="write a page with the table and the curves of all runs"
    )
    add_force(parser)


def _compare(arguments: Namespace, parser: ArgumentParser) -> None:
    folders = [Path(run) for run in arguments.runs]
    if len(folders) < 2:
        parser.error("a comparison needs at least two runs")
    page = None if arguments.html is None else Path(arguments.html)
    outputs = Outputs(by="compare", force=arguments.force)
    with outputs.owning(page) if page is not None else nullcontext():
        if len(folders) == 2:
            _compare_two(folders[0], folders[1], page)
        else:
            _compare_several(folders, page)


def _compare_two(run_a: Path, run_b: Path, page: Path | None) -> None:
    first, second = (evaluated_task(run) for run in (run_a, run_b))
    if first != second:
        seen = f"{run_a} is of {first.name}, {run_b} of {second.name}"
        raise UserError(f"two evaluations must be of the same task to be compared, but {seen}")
    comparison = compare(first, run_a, run_b)
    if page is not None:
        _write_page(_side_by_side(first, [run_a, run_b], ()), page)
    _tell(comparison, page)


def _compare_several(paths: list[Path], page: Path | None) -> None:
    from tasks.report.several.compare import choose_runs

    folders, left_out = choose_runs(paths)
    several = _side_by_side(_common_task(folders), folders, left_out)
    if page is not None:
        _write_page(several, page)
    _tell(several, page)


def _side_by_side(task: Task, folders: Sequence[Path], left_out: Sequence[Path]) -> Any:
    from tasks.report.several.compare import compare_several

    return compare_several(
        task.name,
        folders,
        task.main_scores,
        left_out=left_out,
        read_settings=_settings_reader(task),
    )


def _write_page(several: Any, page: Path) -> None:
    from tasks.report.several.page import write_several

    write_several(several, page)


def _tell(comparison: Any, page: Path | None) -> None:
    print(comparison)
    if page is not None:
        print(f"\nwritten: {page}")


def _common_task(folders: Sequence[Path]) -> Task:
    """Return the task of all runs; UserError if they have different tasks."""
    from tasks.report.several.read import named_task

    tasks = [find_task(named_task(folder) or BOXES, str(folder)) for folder in folders]
    for folder, task in zip(folders, tasks, strict=True):
        if task != tasks[0]:
            seen = f"{folders[0]} is of {tasks[0].name}, {folder} of {task.name}"
            raise UserError(
                f"runs must be of the same task to be compared, but {seen}; leave others out"
            )
    return tasks[0]


def compare(task: Task, run_a: str | Path, run_b: str | Path) -> Any:
    """Compare two runs or evaluations of a task, with their settings in the present form."""
    reader = _settings_reader(task)
    return task.compare(run_a, run_b, read_settings=reader, eval_command=command("eval"))


def _settings_reader(task: Task) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a function that brings settings written by any version to the present form."""
    from tasks.engine.config import from_saved, to_dict

    def read_settings(values: Mapping[str, Any]) -> dict[str, Any]:
        return to_dict(from_saved(task.settings.load(), values, "the settings of an evaluation"))

    return read_settings


REPORT = Command(
    name="report",
    summary="Write the report.html of a run or an evaluation again.",
    examples="""
backbones report runs/quickstart
backbones report runs/bccd --annotations moved/test.json --images moved/images
""",
    add_arguments=_report_arguments,
    run=_report,
)
COMPARE = Command(
    name="compare",
    summary="Compare runs or evaluations on the same data.",
    details="For two it shows scores with intervals, classes, and settings that differ; for more a"
    " table, and with --html a page with their curves.",
    examples="""
backbones compare runs/one runs/other
backbones compare runs/*                            a row for each
backbones compare runs/* --html compare.html        curves too
""",
    add_arguments=_compare_arguments,
    run=_compare,
)
