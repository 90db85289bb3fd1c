"""`backbones report` and `backbones compare`.  Imports nothing heavy."""

from argparse import ArgumentParser, Namespace

from tasks.cli.command import Command

EVALUATED = "folder with the evaluation.json of a run, or of `backbones eval`"


def _report_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=EVALUATED)
    parser.add_argument(
        "--images", help="folder of the images, where they are no longer where they were scored"
    )


def _report(arguments: Namespace, _: ArgumentParser) -> None:
    from tasks.report.instances.build import remake_report

    print(f"written: {remake_report(arguments.run, arguments.images)}")


def _compare_arguments(parser: ArgumentParser) -> None:
    for name in ("run_a", "run_b"):
        parser.add_argument(name, metavar=name.upper(), help=EVALUATED)


def _compare(arguments: Namespace, _: ArgumentParser) -> None:
    from tasks.report.instances.compare import compare_runs

    print(compare_runs(arguments.run_a, arguments.run_b))


REPORT = Command(
    name="report",
    summary="Make the report.html of a run or an evaluation again.",
    examples="backbones report runs/quickstart",
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
