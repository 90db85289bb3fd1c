"""The tasks, as what the commands call for each.  Imports nothing heavy.

To add a task, add a row, whose functions are named by dotted names and imported when they are used,
and its predictor to `api.Predictor`, which is for type checkers.
"""

import difflib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.engine.run_files import find_checkpoint

BOXES = "detection"
"""The task of files that do not say theirs."""


@dataclass(frozen=True)
class Lazy:
    """A function or class by its dotted name."""

    name: str

    def load(self) -> Any:
        """The function or class itself."""
        module, _, name = self.name.rpartition(".")
        return getattr(import_module(module), name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Import it and call it."""
        return self.load()(*arguments, **named)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the commands call for one task."""

    name: str
    """As a recipe's `task:` says it."""
    settings: Lazy
    """A subclass of `tasks.engine.settings.TaskSettings`."""
    check_files: Lazy
    """(settings) -> None; UserError for a file that is not there. Imports no torch."""
    run: Lazy
    """(settings, tasks.engine.launch.Launch) -> scores: the whole route, which training and its
    doctor walk."""
    evaluate: Lazy
    """(checkpoint, overrides, output folder or None, force=…) -> what is printed, with `scores`;
    None on ranks other than the first."""
    evaluate_settings: Lazy | None = None
    """(settings, output folder or None, force=…) -> the same of the weights in model.weights; None
    where only a whole network can be scored."""
    load: Lazy
    """(checkpoint, device=…, precision=…, …) -> a predictor, which is called on images."""
    predict: Lazy
    """(predictor, sources, output folder, score=…, outputs=…) -> what went wrong, a line for each
    file."""
    score: float | None = None
    """Lowest score of what is worth a look; None where nothing has a score."""
    page_answer: Lazy
    """(an image's result, (height, width) of its preview) -> what the web page is told of it."""
    results: Lazy | None = None
    """(results file, annotations, output folder or None, image folder or None, limit=…, force=…) ->
    what is printed; None where there is no such file."""
    main_scores: tuple[str, ...]
    """Names of the scores that tell runs apart, the first counting most."""
    report: Lazy
    """(folder of an evaluation, image folder or None, eval_command=…) -> the page, made again; with
    `annotations=` too where there are `results`."""
    compare: Lazy
    """(folder of an evaluation, folder of another, read_settings=…, eval_command=…) -> what is
    printed."""
    check: Lazy
    """(arguments, shown=…, fix=…, page=…, force=…) -> (findings, text). Imports no torch."""
    holds_data: Lazy | None = None
    """(folder) -> whether it holds data of this task; None where nobody asks. Imports no torch."""
    export: Lazy
    """(checkpoint, file) -> the Python that reads the backbone, which is now in the file."""


TASKS = {
    task.name: task
    for task in (
        Task(
            name="detection",
            settings=Lazy("tasks.detection.config.DetectionConfig"),
            check_files=Lazy("tasks.detection.check_files.check_files"),
            run=Lazy("tasks.detection.train.run"),
            evaluate=Lazy("tasks.detection.evaluate.evaluate_checkpoint"),
            load=Lazy("tasks.detection.predict.load_detector"),
            predict=Lazy("tasks.detection.predict_files.predict_files"),
            score=0.5,
            page_answer=Lazy("tasks.detection.served.page_answer"),
            results=Lazy("tasks.detection.results.evaluate_results"),
            main_scores=("box/AP", "box/AP50", "box/AP75", "box/APs", "box/APm", "box/APl"),
            report=Lazy("tasks.report.instances.build.remake_report"),
            compare=Lazy("tasks.report.instances.compare.compare_runs"),
            check=Lazy("tasks.detection.check.check_data"),
            export=Lazy("tasks.detection.saved.export_backbone"),
        ),
        Task(
            name="segmentation",
            settings=Lazy("tasks.segmentation.config.SegmentationConfig"),
            check_files=Lazy("tasks.segmentation.check_files.check_files"),
            run=Lazy("tasks.segmentation.train.run"),
            evaluate=Lazy("tasks.segmentation.evaluate_saved.evaluate_checkpoint"),
            evaluate_settings=Lazy("tasks.segmentation.evaluate_saved.evaluate_settings"),
            load=Lazy("tasks.segmentation.predict.load_segmenter"),
            predict=Lazy("tasks.segmentation.predict_files.predict_files"),
            page_answer=Lazy("tasks.segmentation.served.page_answer"),
            main_scores=("seg/mIoU", "seg/pixel_accuracy", "seg/mean_accuracy", "seg/fwIoU"),
            report=Lazy("tasks.report.segmentation.build.remake_report"),
            compare=Lazy("tasks.report.segmentation.compare.compare_runs"),
            check=Lazy("tasks.segmentation.check.check_data"),
            holds_data=Lazy("tasks.datasets.semantic.check.holds_semantic"),
            export=Lazy("tasks.segmentation.saved.export_backbone"),
        ),
        Task(
            name="classification",
            settings=Lazy("tasks.classification.config.ClassificationConfig"),
            check_files=Lazy("tasks.classification.check_files.check_files"),
            run=Lazy("tasks.classification.train.run"),
            evaluate=Lazy("tasks.classification.evaluate_saved.evaluate_checkpoint"),
            evaluate_settings=Lazy("tasks.classification.evaluate_saved.evaluate_settings"),
            load=Lazy("tasks.classification.predict.load_classifier"),
            predict=Lazy("tasks.classification.predict_files.predict_files"),
            score=0.0,
            page_answer=Lazy("tasks.classification.served.page_answer"),
            main_scores=("val/top1", "val/top5", "val/mean_class"),
            report=Lazy("tasks.report.classification.build.report_again"),
            compare=Lazy("tasks.report.classification.compare.compare_runs"),
            check=Lazy("tasks.classification.check.check_data"),
            holds_data=Lazy("tasks.classification.check.is_class_data"),
            export=Lazy("tasks.classification.export.export_classifier"),
        ),
    )
}


def find_task(name: object, source: str) -> Task:
    """The task of that name; UserError, which says where the name stood, for any other."""
    if isinstance(name, str) and name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(str(name), TASKS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UserError(f"task must be one of {known_tasks()}, got {name!r} in {source}{hint}")


def saved_task(path: str | Path) -> Task:
    """The task of a checkpoint file, or of a run's folder."""
    file = find_checkpoint(Path(path))  # answers before torch is imported
    from tasks.engine.checkpoint import read_checkpoint
    from tasks.engine.saved import saved_metadata

    return find_task(saved_metadata(read_checkpoint(file), "task"), f"the checkpoint {file}")


def evaluated_task(folder: str | Path) -> Task:
    """The task of an evaluation, as its evaluation.json says; those of 0.1.0 are all of boxes."""
    from tasks.report.run import evaluation_metadata

    named = evaluation_metadata(folder).get("task", BOXES)
    return find_task(named, f"the evaluation in {folder}")


def known_tasks() -> str:
    """Their names."""
    return ", ".join(TASKS)
