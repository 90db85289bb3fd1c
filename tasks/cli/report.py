"""`backbones report` and `backbones compare`.  Imports nothing heavy."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.cli.command import Command, add_force
from tasks.cli.registry import Task, evaluated_task
from tasks.engine.commands import command
from tasks.outputs import EVALUATION, Outputs

EVALUATED = "folder with the evaluation.json of a run, or of `backbones eval`"


def _report_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=EVALUATED)
    add_force(parser)
    parser.add_argument(
        "--images", help="folder of the images, where they are no longer where they were scored"
    )
    parser.add_argument(
        "--annotations",
        metavar="FILE",
        help="the annotations of detections, where they are no longer where they were scored",
    )


def _report(arguments: Namespace, _: ArgumentParser) -> None:
    task = evaluated_task(arguments.run)
    moved = {}
    if arguments.annotations is not None:
        if task.results is None:  # nothing but detections is scored from its annotations again
            rule = "--annotations is for detections"
            raise UserError(f"{rule}, and {arguments.run} is of {task.name}; leave it out")
        moved["annotations"] = arguments.annotations
    outputs = Outputs(by=EVALUATION, force=arguments.force)
    with outputs.owning(Path(arguments.run) / "report.html"):
        page = task.report(arguments.run, arguments.images, eval_command=command("eval"), **moved)
    print(f"written: {page}")


def _compare_arguments(parser: ArgumentParser) -> None:
    for name in ("run_a", "run_b"):
        parser.add_argument(name, metavar=name.upper(), help=EVALUATED)


def _compare(arguments: Namespace, _: ArgumentParser) -> None:
    first, second = (evaluated_task(run) for run in (arguments.run_a, arguments.run_b))
    if first != second:
        seen = f"{arguments.run_a} is of {first.name}, {arguments.run_b} of {second.name}"
        raise UserError(f"two evaluations of the same task are compared, but {seen}")
    print(compare(first, arguments.run_a, arguments.run_b))


def compare(task: Task, run_a: str | Path, run_b: str | Path) -> Any:
    """Compare two runs or evaluations of a task, their settings in the present form."""
    from tasks.engine.config import from_saved, to_dict

    def read_settings(values: Mapping[str, Any]) -> dict[str, Any]:
        return to_dict(from_saved(task.settings.load(), values, "the settings of an evaluation"))

    return task.compare(run_a, run_b, read_settings=read_settings, eval_command=command("eval"))


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
    summary="Compare two runs or evaluations on the same data.",
    details="Shows scores with intervals, classes, and settings that differ.",
    examples="backbones compare runs/one runs/other",
    add_arguments=_compare_arguments,
    run=_compare,
)
