"""`backbones eval`: scores of a run, or of anybody's results file.  Imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.cli.command import Command
from tasks.cli.registry import TASKS, saved_task
from tasks.engine.run_files import find_checkpoint

if TYPE_CHECKING:
    from tasks.scoring.instances import ScoreSheet


def evaluate_results(
    results_path: str | Path,
    annotations: str | Path,
    output_dir: str | Path | None = None,
    images: str | Path | None = None,
) -> ScoreSheet:
    """Score a COCO results file, whoever wrote it, against an annotation file, by both engines.

    evaluation.json and report.html go to `output_dir`, or beside the results. The report shows
    images of the folder `images`, the annotations' own when None, as blanks where there are none;
    scores need no image. Raises UserError for a record that does not fit the annotations.
    """
    from tasks.datasets.coco.dataset import read_coco
    from tasks.report.instances.build import report_detections
    from tasks.scoring.instances import ScoreSheet, final_scores, scoring_facts, write_evaluation
    from tasks.scoring.results import read_results_json

    dataset = read_coco(annotations, images)
    results = read_results_json(results_path, dataset)
    scores = final_scores(dataset, results)
    scored = scoring_facts(dataset, results, final=True)
    metadata = {"results": str(results_path), **scored}
    folder = Path(results_path).parent if output_dir is None else Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "evaluation.json"
    write_evaluation(file, scores, metadata)
    page = report_detections(folder, dataset)
    return ScoreSheet(scores, metadata, dataset.warnings, (file,), page)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        nargs="?",
        metavar="RUN",
        help="a run's folder, for its best checkpoint, or a checkpoint file",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="section.key=value",
        help="settings that replace the checkpoint's, such as data.root, run.device, run.precision;"
        " `backbones train RECIPE --help` shows all",
    )
    parser.add_argument("--results", help="COCO results JSON to score instead of a checkpoint")
    parser.add_argument("--annotations", help="COCO annotations that --results are of")
    parser.add_argument(
        "--images", help="folder of their images, for the report (default: the annotations' folder)"
    )
    parser.add_argument(
        "--out",
        help="folder for what is written (default: evaluation/ beside the checkpoint, or the"
        " results' own folder)",
    )


def _check(arguments: Namespace, parser: ArgumentParser) -> None:
    if (arguments.checkpoint is None) == (arguments.results is None):
        parser.error("give either a RUN or --results")
    if (arguments.results is None) != (arguments.annotations is None):
        parser.error(
            "--results and --annotations go together; a RUN takes data.val.annotations=FILE"
        )
    if arguments.images is not None and arguments.results is None:
        parser.error("--images goes with --results; a RUN takes data.val.images=FOLDER")


def _run(arguments: Namespace, parser: ArgumentParser) -> None:
    _check(arguments, parser)
    out = arguments.out
    if arguments.results is not None:
        print(evaluate_results(arguments.results, arguments.annotations, out, arguments.images))
        return
    find_checkpoint(Path(arguments.checkpoint))  # answers before torch is imported
    task = saved_task(arguments.checkpoint) if arguments.task is None else TASKS[arguments.task]
    report = task.evaluate(arguments.checkpoint, arguments.overrides, out)
    if report is not None:  # on the first rank
        print(report)


COMMAND = Command(
    name="eval",
    summary="Score a run on any data set, or anybody's results file.",
    details="Writes evaluation.json, detections.json and report.html.",
    examples="""
backbones eval runs/quickstart
backbones eval runs/quickstart data.val.images=IMAGES data.val.annotations=GT.json
backbones eval --results DETECTIONS.json --annotations GT.json
""",
    add_arguments=_add_arguments,
    run=_run,
)
