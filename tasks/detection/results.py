"""Anybody's results file, scored."""

from collections.abc import Callable
from pathlib import Path

from tasks.datasets.coco.dataset import read_coco
from tasks.engine.commands import command
from tasks.outputs import evaluation_outputs
from tasks.report.instances.build import report_detections
from tasks.scoring.evaluation import ScoreSheet, write_evaluation
from tasks.scoring.instances import final_scores, format_table, scoring_facts
from tasks.scoring.results import read_results_json


def evaluate_results(
    results_path: str | Path,
    annotations: str | Path,
    output_dir: str | Path | None = None,
    images: str | Path | None = None,
    *,
    force: bool = False,
    show: Callable[[str], None] = print,
) -> ScoreSheet:
    """Score a COCO results file, whoever wrote it, against an annotation file, by both engines.

    evaluation.json and report.html go to `output_dir`, or beside the results. The report shows
    images of the folder `images`, the annotations' own when None, as blanks where there are none;
    scores need no image. The table of scores is shown before they are saved. Raises UserError for a
    record that does not fit the annotations, and, unless `force`, where one of the files is the
    user's.
    """
    folder = Path(results_path).parent if output_dir is None else Path(output_dir)
    file = folder / "evaluation.json"
    outputs = evaluation_outputs(results_path, [], force, [str(annotations)])
    with outputs.owning(file, folder / "report.html"):
        return _evaluate(results_path, annotations, images, file, show)


def _evaluate(
    results_path: str | Path,
    annotations: str | Path,
    images: str | Path | None,
    file: Path,
    show: Callable[[str], None],
) -> ScoreSheet:
    dataset = read_coco(annotations, images)
    results = read_results_json(results_path, dataset)
    scores = final_scores(dataset, results)
    scored = scoring_facts(dataset, results, final=True)
    metadata = {"task": "detection", "results": str(results_path), **scored}
    table = format_table(scores)
    show(f"{table}\n")
    write_evaluation(file, scores, metadata)
    page = report_detections(file.parent, dataset, report_command=command("report"))
    return ScoreSheet(scores, metadata, dataset.warnings, (file,), page, table)
