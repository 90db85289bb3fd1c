"""Score anybody's results file."""

from collections.abc import Callable
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.coco.objects import SCORED_DETECTIONS
from tasks.engine.commands import command
from tasks.outputs import evaluation_outputs
from tasks.report.instances.build import report_detections
from tasks.scoring.evaluation import ScoreSheet, write_evaluation
from tasks.scoring.instances import crowded_note, final_scores, format_table, scoring_facts
from tasks.scoring.results import read_results_json


def evaluate_results(
    results_path: str | Path,
    annotations: str | Path,
    output_dir: str | Path | None = None,
    images: str | Path | None = None,
    limit: int = SCORED_DETECTIONS,
    *,
    force: bool = False,
    show: Callable[[str], None] = print,
) -> ScoreSheet:
    """Score a COCO results file of any program against an annotation file, by both engines.

    evaluation.json and report.html go to `output_dir`, or beside the results. The report shows
    images of the folder `images`, or of the annotations' own folder when None, and blanks for
    missing ones; scores need no image. The best `limit` detections of a class and image are scored,
    and the table of scores is shown before they are saved. Raises UserError for a record that does
    not fit the annotations, and, unless `force`, if one of the files is the user's.
    """
    if limit < 10:
        raise UserError(f"--max-detections must be >= 10, got {limit}")
    folder = Path(results_path).parent if output_dir is None else Path(output_dir)
    file = folder / "evaluation.json"
    decided = [str(annotations), f"--max-detections={limit}"]
    outputs = evaluation_outputs(results_path, decided, force, [str(annotations)])
    for note in outputs.notes(file):
        show(note)
    with outputs.owning(file, folder / "report.html"):
        dataset = read_coco(annotations, images)
        results = read_results_json(results_path, dataset)
        scores = final_scores(dataset, results, limit)
        scored = scoring_facts(dataset, results, final=True, limit=limit)
        metadata = {"task": "detection", "results": str(Path(results_path).absolute()), **scored}
        table = format_table(scores, limit)
        show(f"{table}\n")
        write_evaluation(file, scores, metadata)
        page = report_detections(folder, dataset, report_command=command("report"))
    notes = (*dataset.warnings, *crowded_note(dataset, limit))
    return ScoreSheet(scores, metadata, notes, (file,), page, table)
